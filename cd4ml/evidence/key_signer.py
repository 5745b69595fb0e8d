"""Signing with a private key that the caller holds."""

from __future__ import annotations

from dataclasses import dataclass

from cd4ml.evidence.dsse import signed_bundle
from cd4ml.evidence.keys import PrivateKey, read_private_key
from cd4ml.evidence.statement import Statement


@dataclass(frozen=True, kw_only=True)
class KeySigner:
    """Signs with a private key; nothing leaves the machine."""

    key: PrivateKey

    @property
    def identity(self) -> str:
        """See Signer."""
        return self.key.public.identity

    def sign(self, statement: Statement) -> bytes:
        """See Signer."""
        return signed_bundle(statement, self.key)


def key_signer(pem: bytes, password: str | None, *, name: str) -> KeySigner:
    """Return who signs with a key.

    Args:
        name: where the key comes from, for messages.

    Raises:
        OptionsError: it is no such key, or the password is not its own.
    """
    return KeySigner(key=read_private_key(pem, password, name=name))
