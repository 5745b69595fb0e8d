"""Keys that sign and verify: ECDSA on the curve P-256, and Ed25519, as PEM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from cd4ml.digests import bytes_sha256
from cd4ml.errors import OptionsError

_SIGNS: Final = "Make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem`."


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """What verifies signatures."""

    key: EllipticCurvePublicKey | Ed25519PublicKey

    @property
    def pem(self) -> bytes:
        """The key as others read it."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def hint(self) -> str:
        """Which key it is, in signatures: the form that the model signing specification has chosen."""
        return bytes_sha256(self.pem)

    @property
    def identity(self) -> str:
        """Which key it is, for people."""
        return f"key {self.hint[:16]}"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's, over exactly these bytes."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, data)
            else:
                self.key.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """What signs."""

    key: EllipticCurvePrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(key=self.key.public_key())

    def sign(self, data: bytes) -> bytes:
        """Sign: the same bytes always get the same signature, so that signing again adds nothing to a registry."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(data)
        return self.key.sign(data, ECDSA(SHA256(), deterministic_signing=True))


def read_private_key(pem: bytes, password: str | None, *, name: str) -> PrivateKey:
    """Read a private key.

    Args:
        name: where it comes from, for messages; nothing of the key itself is ever repeated.

    Raises:
        OptionsError: it is no such key, or the password is not its own.
    """
    if b"ENCRYPTED SIGSTORE PRIVATE KEY" in pem or b"ENCRYPTED COSIGN PRIVATE KEY" in pem:
        raise OptionsError(f"{name}: the key is in cosign's own format, not PKCS#8", advice=_SIGNS)
    try:
        key = load_pem_private_key(pem, password.encode() if password else None)
    except TypeError as error:
        reasons = {True: "it is encrypted: set SIGNING_PASSWORD", False: "it is not encrypted: unset SIGNING_PASSWORD"}
        needed = reasons[password is None]
        raise OptionsError(f"{name}: the private key cannot be read: {needed}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        reason = "it is not a private key in PEM" + (", or the password is wrong" if password else "")
        raise OptionsError(f"{name}: the private key cannot be read: {reason}", advice=_SIGNS) from error
    if isinstance(key, Ed25519PrivateKey):
        return PrivateKey(key=key)
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return PrivateKey(key=key)
    raise OptionsError(f"{name}: unsupported kind of key; use ECDSA P-256 or Ed25519", advice=_SIGNS)


def read_public_key(pem: bytes, *, name: str) -> PublicKey:
    """Read a public key.

    Raises:
        OptionsError: it is no such key.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise OptionsError(f"{name}: not a public key in PEM") from error
    if isinstance(key, Ed25519PublicKey):
        return PublicKey(key=key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return PublicKey(key=key)
    raise OptionsError(f"{name}: unsupported kind of key; use ECDSA P-256 or Ed25519")
