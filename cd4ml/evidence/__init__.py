"""Reports as evidence: does what earlier stages wrote allow this very image to be deployed?

`reports` finds them, `verify` decides whether they count, `scored` and `model_code` hold them against each other, and
`baseline` asks whether production still is what the candidate was compared with.

What is signed: `statement` is the form, `provenance`, `result` and `model_signature` say what, `sign` by whom. `dsse`
makes and verifies signed envelopes, with a key of `keys`; `keyless` signs as the job itself.
"""
