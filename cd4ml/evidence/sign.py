"""Who signs statements: a key that the caller holds, or the identity of the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.evidence.dsse import signed_bundle
from cd4ml.evidence.keys import PrivateKey, read_private_key
from cd4ml.evidence.statement import Statement
from cd4ml.wording import VARIABLE, names_place

PASSWORD: Final = "SIGNING_PASSWORD"
# As the documentation calls them, and as the platform hands over an option.
_KEYS: Final = (PASSWORD, "SIGNING_KEY", "EVIDENCE_KEY", "CD4ML_INPUT_SIGNING_KEY")
_LARGEST: Final = 64 << 10


class Signer(Protocol):
    """Who signs."""

    @property
    def identity(self) -> str:
        """Who that is, for people."""

    def sign(self, statement: Statement) -> bytes:
        """Return the statement signed, as a Sigstore bundle.

        Raises:
            UnavailableError: a service that takes part in it cannot be reached.
        """


@dataclass(frozen=True, kw_only=True)
class KeySigner:
    """Signs with a private key; nothing leaves the machine."""

    key: PrivateKey

    @property
    def identity(self) -> str:
        """See Signer."""
        return f"key {self.key.public.hint[:16]}"

    def sign(self, statement: Statement) -> bytes:
        """See Signer."""
        return signed_bundle(statement, self.key)


def find_signer(signing_key: str | None, *, keyless: bool, environ: Mapping[str, str]) -> Signer | None:
    """Return who signs, None if nobody is to.

    Args:
        signing_key: a private key's file, or `env://NAME` for a variable that holds the key itself.
        keyless: whether the job's own identity signs.

    Raises:
        OptionsError: both are asked for, no place is named, the key cannot be read, or the job has no identity.
        UnavailableError: the key is not there.
    """
    if signing_key and keyless:
        raise OptionsError("signing-key and keyless: set one of them")
    if signing_key:
        if not names_place(signing_key):
            raise OptionsError(
                "signing-key: neither a file that is there nor `env://NAME` for a variable that holds it: give one of "
                "them, never the key itself (the value is not shown: it may be the key)"
            )
        name = f"signing-key {signing_key}"
        pem = _pem(signing_key, name, environ)
        return KeySigner(key=read_private_key(pem, environ.get(PASSWORD) or None, name=name))
    if not keyless:
        return None
    from cd4ml.evidence.keyless import KeylessSigner  # it imports Sigstore's client, which takes a second

    return KeylessSigner(environ)


def without_keys(environ: Mapping[str, str], signing_key: str | None) -> dict[str, str]:
    """Return the environment for all but the signer: no other program needs the key or its password."""
    named = [signing_key.removeprefix(VARIABLE)] if signing_key and signing_key.startswith(VARIABLE) else []
    return {name: value for name, value in environ.items() if name not in (*_KEYS, *named)}


def _pem(signing_key: str, name: str, environ: Mapping[str, str]) -> bytes:
    """Return the key as it is written."""
    if signing_key.startswith(VARIABLE):
        variable = signing_key.removeprefix(VARIABLE)
        if not environ.get(variable):
            raise UnavailableError(f"{name}: the variable {variable} is not set.")
        return environ[variable].encode()
    try:
        with Path(signing_key).open("rb") as stream:
            return stream.read(_LARGEST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UnavailableError(f"{name}: cannot be read: {reason}.") from error
