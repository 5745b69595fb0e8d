"""What a token may do in a repository, as far as the platform says it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.github.client import Client

_LARGEST: Final = 1_000_000
# In GitHub's words, the one that allows most first.
_ROLES: Final = ("admin", "maintain", "push", "triage", "pull")


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What a token may do.

    Attributes:
        roles: in the repository, as GitHub calls them.
        scopes: of a classic token; None for one of another kind, whose permissions the platform does not tell.
    """

    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None


def allowed(client: Client, *, seconds: float) -> Allowed:
    """Ask what a client's token may do.

    Raises:
        UnavailableError: the platform does not know the token, or does not answer in time.
    """
    address = f"{client.api}/repos/{client.repository}"
    request = urllib.request.Request(address, headers={"Accept": "application/vnd.github+json"})
    request.add_unredirected_header("Authorization", f"Bearer {client.token}")
    try:
        with urllib.request.build_opener().open(request, timeout=seconds) as answer:
            scopes, found = answer.headers.get("X-OAuth-Scopes"), json.loads(answer.read(_LARGEST))
        roles = tuple(role for role in _ROLES if found.get("permissions", {}).get(role) is True)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(client, error.code) from error
    except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
        raise UnavailableError(f"{client.api} did not answer: {error}.") from error
    words = None if scopes is None else tuple(word.strip() for word in scopes.split(",") if word.strip())
    return Allowed(roles=roles, scopes=words)


def _refused(client: Client, status: int) -> UnavailableError:
    """Return what an error of the platform means."""
    if status == 401:
        return UnavailableError("the platform does not know it.", advice="It may have expired: make a new one.")
    return UnavailableError(
        f"it may not read {client.repository} ({status}).", advice="Give it `contents: read` for this repository."
    )
