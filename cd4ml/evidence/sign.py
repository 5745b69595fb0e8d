"""Finding who signs statements: a key that the caller holds, or the identity of the job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.evidence.signer import PASSWORD, NobodySignsError, Signer, job_identity
from cd4ml.wording import VARIABLE, installs, names_place

_LARGEST: Final = 64 << 10


def find_signer(signing_key: str | None, *, keyless: bool, environ: Mapping[str, str]) -> Signer | None:
    """Return who signs, None if nobody is to.

    Args:
        signing_key: a private key's file, or `env://NAME` for a variable that holds the key itself.
        keyless: whether the job's own identity signs.

    Raises:
        OptionsError: both are asked for, no place is named, or the key cannot be read.
        NobodySignsError: the variable that should hold the key is not set, or the job has no identity.
        UnavailableError: the key's file cannot be read, or a library is not installed.
    """
    try:
        return _found(signing_key, keyless=keyless, environ=environ)
    except ModuleNotFoundError as error:
        message = f"The library {error.name}, which signs, is not installed beside cd4ml."
        raise UnavailableError(message, advice=installs("evidence")) from error


def _found(signing_key: str | None, *, keyless: bool, environ: Mapping[str, str]) -> Signer | None:
    """See find_signer."""
    if signing_key and keyless:
        raise OptionsError("signing-key and keyless: set one of them")
    if signing_key:
        if not names_place(signing_key):
            raise OptionsError(
                "signing-key: neither a file that is there nor `env://NAME` for a variable that holds it: give one of "
                "them, never the key itself (the value is not shown: it may be the key)"
            )
        name = f"signing-key {signing_key}"
        pem = _pem(signing_key, name, environ)  # first: a run without the secret needs no library
        from cd4ml.evidence.key_signer import key_signer  # cryptography, which only some environments have

        return key_signer(pem, environ.get(PASSWORD) or None, name=name)
    if not keyless:
        return None
    address, secret = job_identity(environ)
    from cd4ml.evidence.keyless import KeylessSigner  # it imports Sigstore's client, which takes a second

    return KeylessSigner(address, secret)


def _pem(signing_key: str, name: str, environ: Mapping[str, str]) -> bytes:
    """Return the key as it is written."""
    if signing_key.startswith(VARIABLE):
        variable = signing_key.removeprefix(VARIABLE)
        if not environ.get(variable):
            raise NobodySignsError(f"{name}: the variable {variable} is not set.")
        return environ[variable].encode()
    try:
        with Path(signing_key).open("rb") as stream:
            return stream.read(_LARGEST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UnavailableError(f"{name}: cannot be read: {reason}.") from error
