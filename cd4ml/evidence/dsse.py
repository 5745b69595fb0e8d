"""DSSE envelopes, and the Sigstore bundle that holds one: what is signed is verified before anything of it is read.

https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from cd4ml.errors import OptionsError
from cd4ml.evidence.bundles import BUNDLE_TYPE, LARGEST
from cd4ml.evidence.keys import PrivateKey, PublicKey
from cd4ml.evidence.statement import PAYLOAD_TYPE, Statement, read_statement


class SignatureError(OptionsError):
    """No signature is the key's."""


def authenticated(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a signature is made over (PAE): they bind the payload to its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signed_bundle(statement: Statement, key: PrivateKey) -> bytes:
    """Return a statement in a DSSE envelope, signed by a key, as a Sigstore bundle."""
    payload = statement.payload
    signature = key.sign(authenticated(PAYLOAD_TYPE, payload))
    document = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
        "dsseEnvelope": {
            "payload": _text(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": _text(signature)}],
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def verified_bundle(bundle: bytes, key: PublicKey) -> Statement:
    """Return the statement of a bundle that this key has signed.

    Raises:
        SignatureError: the signature is not this key's.
        OptionsError: it is no bundle with an in-toto statement.
    """
    try:
        envelope = _envelope(bundle)
        kind, payload = envelope["payloadType"], _bytes(envelope["payload"])
        signatures = [_bytes(item["sig"]) for item in envelope["signatures"]]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise OptionsError(f"not a Sigstore bundle with a DSSE envelope: {error}") from error
    if kind != PAYLOAD_TYPE:
        raise OptionsError(f"the envelope holds {str(kind)[:100]!r}, not an in-toto statement")
    if not any(key.verifies(signature, authenticated(kind, payload)) for signature in signatures):
        raise SignatureError("the signature is not valid: the content was changed, or another key signed it")
    return read_statement(payload)


def _envelope(bundle: bytes) -> dict[str, Any]:
    """Return a bundle's envelope."""
    if len(bundle) > LARGEST:
        raise ValueError("it is too large")
    document = json.loads(bundle)
    if document["mediaType"] != BUNDLE_TYPE:
        raise ValueError(f"its media type is {str(document['mediaType'])[:100]!r}")
    envelope: dict[str, Any] = document["dsseEnvelope"]
    return envelope


def _text(data: bytes) -> str:
    """Return bytes as they stand in JSON."""
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    """Return what stands in JSON as bytes."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
