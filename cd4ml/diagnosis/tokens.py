"""The tokens in the environment: what they may do. Their values are never shown."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Final

from cd4ml.diagnosis.looking import SECONDS, Result, Subject, fine, skipped, warned
from cd4ml.errors import Cd4mlError
from cd4ml.github import client
from cd4ml.github.permissions import Allowed, allowed
from cd4ml.process.programs import NotCompletedError, completed

_NAMES: Final = (client.TOKEN, "GITHUB_TOKEN", "GH_TOKEN")
_GITHUB: Final = re.compile(
    r"(?:https://(?:[^/@]*@)?|ssh://git@|git@)github\.com[:/](?P<name>[^/\s]+/[^/\s]+?)(?:\.git)?/?"
)
_SCOPES: Final = re.compile(r"Token scopes: (?P<scopes>.+)")
_TOPIC: Final = "token"


def tokens(subject: Subject) -> Iterator[Result]:
    """Say of each token what it may do in the repository."""
    environ = subject.context.environ
    names = [name for name in _NAMES if environ.get(name)]
    if not names:
        yield from _of_gh(environ)
        return
    origin = _GITHUB.fullmatch(subject.context.checkout.remote_address() or "")
    repository = environ.get("GITHUB_REPOSITORY") or (origin["name"] if origin else None)
    if repository is None:
        yield skipped(_TOPIC, f"{', '.join(names)} set; which repository is meant is not known here")
        return
    for name in names:
        try:
            one = {**environ, client.TOKEN: environ[name]}
            found = allowed(client.connect(one, repository, permissions="`contents: read`"), seconds=SECONDS)
        except Cd4mlError as error:
            yield warned(_TOPIC, f"{name}: {error.message}", error.advice)
            continue
        yield fine(_TOPIC, f"{name} {_told(found, repository)}")


def _told(found: Allowed, repository: str) -> str:
    """Say what a token may do."""
    may = "may write to" if {"push", "maintain", "admin"} & {*found.roles} else "may read"
    scopes = "" if found.scopes is None else f"; scopes: {', '.join(found.scopes) or 'none'}"
    return f"{may} {repository}{scopes}"


def _of_gh(environ: Mapping[str, str]) -> Iterator[Result]:
    """Say what the token of GitHub's own command line may do, if that is here."""
    if shutil.which("gh", path=environ.get("PATH")):
        try:
            said = completed(["gh", "auth", "status"], environ=environ, seconds=SECONDS)
        except NotCompletedError:
            yield skipped(_TOPIC, "gh does not say which token it has")
            return
        scopes = _SCOPES.search(f"{said.text}\n{said.complaint}")
        if scopes:
            yield fine(_TOPIC, f"gh is logged in; scopes: {scopes['scopes']}")
            return
    yield skipped(_TOPIC, "no token here: comments, retraining and delivery need one, the other stages none")
