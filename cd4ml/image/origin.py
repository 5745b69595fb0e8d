"""Where an image comes from: repository and commit, as the platform or git names them, and of when that commit is."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cd4ml.git import Checkout

SOURCE = "org.opencontainers.image.source"
REVISION = "org.opencontainers.image.revision"
CREATED = "org.opencontainers.image.created"


def origin(environ: Mapping[str, str], checkout: Checkout, head: str | None) -> dict[str, str]:
    """Return the labels that say it, those that are known. The time is no clock's: a rerun makes the same image.

    https://github.com/opencontainers/image-spec/blob/main/annotations.md

    Args:
        head: the commit that was checked out when the run began.
    """
    revision = next(
        (environ[name] for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT") if environ.get(name)), head
    )
    if revision is None or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", revision):
        return _known(source=_source(environ), revision=None, seconds=_epoch(environ))
    seconds = _epoch(environ)
    if seconds is None:
        seconds = checkout.committed(revision)
    return _known(source=_source(environ), revision=revision, seconds=seconds)


def _known(*, source: str | None, revision: str | None, seconds: int | None) -> dict[str, str]:
    """Return the labels that have a value."""
    created = None
    if seconds is not None:
        created = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {name: value for name, value in ((SOURCE, source), (REVISION, revision), (CREATED, created)) if value}


def _epoch(environ: Mapping[str, str]) -> int | None:
    """Return the time that the job names: https://reproducible-builds.org/specs/source-date-epoch/."""
    given = environ.get("SOURCE_DATE_EPOCH", "")
    return int(given) if re.fullmatch(r"[0-9]{1,11}", given) else None


def _source(environ: Mapping[str, str]) -> str | None:
    """Return the repository's address as the platform names it, without a user or a password."""
    address = environ.get("CI_PROJECT_URL") or environ.get("GIT_URL") or ""
    if environ.get("GITHUB_REPOSITORY"):
        address = f"{environ.get('GITHUB_SERVER_URL') or 'https://github.com'}/{environ['GITHUB_REPOSITORY']}"
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return None
    if parts.scheme not in ("https", "http") or not host or not address.isprintable() or " " in address:
        return None
    return f"{parts.scheme}://{host}{parts.path}"
