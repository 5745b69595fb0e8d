"""Signing without a key: Sigstore certifies the job's own identity (OIDC) for some minutes and logs what it signs.

Its public services take part: Fulcio, which certifies, and Rekor, a public log that names the repository and workflow.
"""

from __future__ import annotations

from typing import Final

import requests
from sigstore import dsse, oidc
from sigstore.models import ClientTrustConfig
from sigstore.sign import SigningContext

from cd4ml.errors import UnavailableError
from cd4ml.evidence.sigstore_errors import UNREACHABLE, told
from cd4ml.evidence.statement import Statement

_AUDIENCE: Final = "sigstore"
_SECONDS: Final = 30
_FAILURES: Final = (*UNREACHABLE, oidc.ExpiredIdentity)


class KeylessSigner:
    """Signs as the workflow that runs this job."""

    def __init__(self, address: str, secret: str) -> None:
        """Take where the job asks for its token, and with which secret."""
        self._address, self._secret = address, secret

    @property
    def identity(self) -> str:
        """See Signer."""
        return "the job's identity (Sigstore)"

    def sign(self, statement: Statement) -> bytes:
        """See Signer."""
        try:
            context = SigningContext.from_trust_config(ClientTrustConfig.production())
            with context.signer(oidc.IdentityToken(self._token())) as signer:
                return signer.sign_dsse(dsse.Statement(statement.payload)).to_json().encode()
        except _FAILURES as error:
            raise UnavailableError(f"Sigstore did not sign: {told(error)}.") from error

    def _token(self) -> str:
        """Return a token of the job's, for Sigstore alone.

        Raises:
            UnavailableError: the platform gives none.
        """
        headers = {"Authorization": f"bearer {self._secret}"}
        answer = requests.get(self._address, params={"audience": _AUDIENCE}, headers=headers, timeout=_SECONDS)
        try:
            answer.raise_for_status()
            token = answer.json()["value"]
        except (ValueError, LookupError, TypeError) as error:
            raise UnavailableError("The platform gave the job no identity token.") from error
        if not isinstance(token, str):
            raise UnavailableError("The platform gave the job no identity token.")
        return token
