"""Keys for the tests of signatures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A private and a public key, in files."""

    private: Path
    public: Path


def key_of(kind: str) -> Key:
    """Return a new key."""
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def pem(key: Key, password: str | None = None) -> bytes:
    """Return a private key as it is written."""
    lock: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def pair(folder: Path, kind: str = "ecdsa") -> Pair:
    """Write a new pair of keys."""
    key = key_of(kind)
    found = Pair(private=folder / "key.pem", public=folder / "key.pub")
    found.private.write_bytes(pem(key))
    found.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return found
