"""Who signs, and what nobody else may see of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from cd4ml.errors import UnavailableError
from cd4ml.evidence.statement import Statement
from cd4ml.wording import VARIABLE

PASSWORD: Final = "SIGNING_PASSWORD"
# As the documentation calls them, and as the platform hands over an option.
_KEYS: Final = (PASSWORD, "SIGNING_KEY", "EVIDENCE_KEY", "CD4ML_INPUT_SIGNING_KEY", "CD4ML_SIGNING_KEY")
# Where GitHub Actions gives a job its tokens: only with `permissions: id-token: write`.
TOKEN_REQUEST: Final = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")


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


class NobodySignsError(UnavailableError):
    """Who is to sign is not there: the variable of the key is not set, or the job has no identity of its own."""


def job_identity(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return where a job asks for a token that says who it is, and with which secret.

    Raises:
        NobodySignsError: it has no identity. That is asked before anything is built, or imported.
    """
    address, secret = (environ.get(name, "") for name in TOKEN_REQUEST)
    if not address or not secret:
        raise NobodySignsError(
            "keyless: this job has no identity to sign with",
            advice="Give the job `permissions: id-token: write`, or sign with a key (signing-key).",
        )
    return address, secret


def without_keys(environ: Mapping[str, str], signing_key: str | None) -> dict[str, str]:
    """Return the environment for all but the signer: nobody else needs the key, its password or the job's identity."""
    named = [signing_key.removeprefix(VARIABLE)] if signing_key and signing_key.startswith(VARIABLE) else []
    return {name: value for name, value in environ.items() if name not in (*_KEYS, *TOKEN_REQUEST, *named)}
