"""Reports as evidence: does what earlier stages wrote allow this very image to be deployed?

`reports` finds them, `verify` decides whether they count, `scored` and `model_code` hold them against each other, and
`baseline` asks whether production still is what the candidate was compared with.
"""
