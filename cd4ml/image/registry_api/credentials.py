"""Who this machine is to a registry: what `docker login`, `podman login` or a credential helper has left.

Looked up as crane does it: docker's configuration first, then that of podman and buildah.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.process.programs import completed

_HUB: Final = "docker.io"
_HUB_KEY: Final = "https://index.docker.io/v1/"
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NO_CREDENTIALS: Final = "credentials not found"
# What a helper calls a user that is none: the secret is then a token that is exchanged for others.
_TOKEN_USER: Final = "<token>"
_LARGEST: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user with a password, or a token that stands for both."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """Value of the header Authorization for user and password."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def credentials_for(host: str, repository: str, environ: Mapping[str, str]) -> Credentials | None:
    """Return what this machine knows for a repository of a registry, None where it is nobody in particular.

    Raises:
        UnavailableError: the configuration cannot be read, or a credential helper that it names fails.
    """
    path = _configuration(environ)
    if path is None:
        return None
    document = _read(path)
    names = list(_names(host, repository))
    helper = _helper(document, names, path)
    if helper is not None:
        return _ask(helper, _HUB_KEY if host == _HUB else host, environ)
    entries = {_plain(key): entry for key, entry in _mapping(document, "auths", path).items()}
    return next((_entry(entries[name], path) for name in names if name in entries), None)


def _configuration(environ: Mapping[str, str]) -> Path | None:
    """Return the file that says it: the first that is there."""
    home, runtime = environ.get("HOME"), environ.get("XDG_RUNTIME_DIR")
    places = [
        Path(environ["DOCKER_CONFIG"]) / "config.json" if environ.get("DOCKER_CONFIG") else None,
        Path(home) / ".docker" / "config.json" if home and not environ.get("DOCKER_CONFIG") else None,
        Path(environ["REGISTRY_AUTH_FILE"]) if environ.get("REGISTRY_AUTH_FILE") else None,
        Path(runtime) / "containers" / "auth.json" if runtime else None,
    ]
    return next((path for path in places if path is not None and path.is_file()), None)


def _read(path: Path) -> Mapping[str, Any]:
    """Read a configuration."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{path}, which says who logs in to registries, cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise UnavailableError(f"{path}, which says who logs in to registries, is not a JSON object.")
    return document


def _mapping(document: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    """Return a part of the configuration."""
    part = document.get(key, {})
    part = {} if part is None else part
    if not isinstance(part, dict):
        raise UnavailableError(f"{path}: `{key}` is not a JSON object.")
    return part


def _names(host: str, repository: str) -> Iterator[str]:
    """Yield the names under which a repository's credentials may stand, the closest first."""
    parts = [host, *repository.split("/")]
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])


def _plain(key: str) -> str:
    """Return the name that a key means: old ones are addresses, and Docker Hub has several."""
    if key in (_HUB_KEY, "index.docker.io", "https://index.docker.io/v1"):
        return _HUB
    return re.sub(r"^https?://", "", key).removesuffix("/").removesuffix("/v1").removesuffix("/v2")


def _helper(document: Mapping[str, Any], names: list[str], path: Path) -> str | None:
    """Return the name of the credential helper that answers for a repository."""
    helpers = {_plain(key): helper for key, helper in _mapping(document, "credHelpers", path).items()}
    helper = next((helpers[name] for name in names if name in helpers), None) or document.get("credsStore")
    if not helper:
        return None
    if not isinstance(helper, str) or not _HELPER.fullmatch(helper):
        raise UnavailableError(f"{path}: {str(helper)[:100]!r} is not the name of a credential helper.")
    return helper


def _ask(helper: str, server: str, environ: Mapping[str, str]) -> Credentials | None:
    """Ask a credential helper."""
    name = f"docker-credential-{helper}"
    answer = completed([name, "get"], environ=environ, seconds=60, stdin=server.encode(), most=_LARGEST)
    if not answer.done:
        if _NO_CREDENTIALS in (answer.text + answer.complaint).lower():
            return None
        raise UnavailableError(f"{name} gives no credentials for {server}: {answer.last_words(300)}")
    try:
        document = json.loads(answer.text)
        user, secret = str(document["Username"]), str(document["Secret"])
    except (ValueError, LookupError, TypeError) as error:
        raise UnavailableError(f"{name} gives no readable answer for {server}.") from error
    if user == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username=user, password=secret) if user or secret else None


def _entry(entry: Any, path: Path) -> Credentials | None:
    """Read an entry of `auths`."""
    if not isinstance(entry, dict):
        raise UnavailableError(f"{path}: an entry of `auths` is not a JSON object.")
    if entry.get("identitytoken"):
        return Credentials(identity_token=str(entry["identitytoken"]))
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UnavailableError(f"{path}: an entry of `auths` is not base64.") from error
        password = password.rstrip("\0")
    return Credentials(username=user, password=password) if user or password else None
