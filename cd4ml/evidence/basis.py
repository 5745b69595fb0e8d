"""What a run is about: looked at before any code of the caller runs, which could make it look like something else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cd4ml.errors import OptionsError
from cd4ml.evidence.statement import Resource
from cd4ml.git import Checkout
from cd4ml.report import Source


class MovedError(OptionsError):
    """Another commit is checked out than when the run began."""

    reason = "commit-changed"


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What evidence rests on, beside what the stage itself looks at.

    Attributes:
        repository: address of the repository that the commit is in, where git knows one; it may hold a password.
        config: the configuration file, as it was read.
    """

    source: Source = Source(git_sha=None)
    repository: str | None = None
    config: Resource | None = None


def basis(checkout: Checkout, config: Resource | None = None) -> Basis:
    """Return what is checked out now."""
    commit = checkout.head()
    if commit is None:  # then git has nothing to say of changed files, and the repository does not matter
        return Basis(config=config)
    source = Source(git_sha=commit, modified=checkout.modified())
    return Basis(source=source, repository=checkout.remote_address(), config=config)


def unmoved(before: Basis, checkout: Checkout) -> Basis:
    """Return what a verdict rests on once it is reached: files that were changed since count as changed.

    Raises:
        MovedError: the commit is no longer the one that was checked out.
    """
    commit, now = before.source.git_sha, checkout.head()
    if now != commit:
        raise MovedError(
            f"{_told(commit)} was checked out when the run began, and {_told(now)} when it ended: what was decided may "
            "be about either",
            advice="Check out the commit that is meant and run again; no test may change which one is checked out.",
        )
    first = before.source.modified
    last = None if first is None else checkout.modified()
    modified = None if first is None or last is None else sorted({*first, *last})
    return replace(before, source=Source(git_sha=commit, modified=modified))


def _told(commit: str | None) -> str:
    """Name a commit for people."""
    return f"commit {commit[:12]}" if commit else "no commit"
