"""The header Authorization of a repository's requests: nothing, user and password, or a token of the registry's own.

https://distribution.github.io/distribution/spec/auth/token/ and …/auth/oauth/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode, urlsplit

from cd4ml.errors import UnavailableError
from cd4ml.image.registry_api.challenge import Challenge, challenges
from cd4ml.image.registry_api.credentials import Credentials
from cd4ml.image.registry_api.transport import RegistryError, Request, closed, opened, reading

_CLIENT: Final = "cd4ml"
_LARGEST: Final = 1_000_000


class Authorization:
    """What is sent along, learned from what the registry demands."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._headers: dict[tuple[str, ...], str | None] = {}

    def header(self, scopes: Sequence[str]) -> str | None:
        """Return the value for requests that need some scopes; None as long as nothing was demanded."""
        return self._headers.get(tuple(scopes))

    def answer(self, refusal: RegistryError, scopes: Sequence[str]) -> bool:
        """Do what a refused request was told to; whether there is anything new to try.

        Raises:
            UnavailableError: the server that gives tokens refuses or cannot be reached.
        """
        demanded = challenges(refusal.headers.get_all("WWW-Authenticate") or [])
        before = self._headers.get(tuple(scopes))
        for challenge in demanded:
            if challenge.scheme == "bearer":
                self._headers[tuple(scopes)] = f"Bearer {self._token(challenge, scopes)}"
                return True  # a token that was there has ended: they do while much is sent
            if challenge.scheme == "basic" and self._credentials is not None and before is None:
                self._headers[tuple(scopes)] = self._credentials.basic
                return True
        return False

    def _token(self, challenge: Challenge, scopes: Sequence[str]) -> str:
        """Return a token for some scopes."""
        realm = challenge.parameters.get("realm", "")
        if not closed(realm):
            raise UnavailableError(f"The registry names {realm[:200]!r} for tokens, to which no password is sent.")
        known = self._credentials
        query = [("service", challenge.parameters.get("service", "")), *(("scope", scope) for scope in scopes)]
        if known is not None and known.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": known.identity_token, "client_id": _CLIENT}
            body = urlencode([*query[:1], ("scope", " ".join(scopes)), *form.items()]).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return _asked(Request(method="POST", address=realm, headers=kind, body=body))
        separator = "&" if urlsplit(realm).query else "?"
        address = f"{realm}{separator}{urlencode(query)}"
        return _asked(Request(method="GET", address=address, authorization=known.basic if known else None))


def _asked(request: Request) -> str:
    """Return the token that a server gives."""
    with reading(opened(request)) as answer:
        said = answer.read(_LARGEST)
    try:
        document = json.loads(said)
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError) as error:
        raise UnavailableError("The registry's server for tokens gives no readable answer.") from error
    if not isinstance(token, str) or not token.isprintable() or " " in token:
        raise UnavailableError("The registry's server for tokens gives no token.")
    return token
