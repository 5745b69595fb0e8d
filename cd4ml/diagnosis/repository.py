"""The repository around the working directory: what a report says of its commit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from cd4ml.diagnosis.looking import Result, Subject, fine, skipped, warned
from cd4ml.errors import UNAVAILABLE
from cd4ml.git import Checkout
from cd4ml.report import Status

_TOPIC = "git"


def repository(subject: Subject) -> Iterator[Result]:
    """Say which commit reports will be about, and what keeps a deployment from being traced to it."""
    checkout = subject.context.checkout
    if shutil.which("git", path=subject.context.environ.get("PATH")) is None:
        yield warned(
            _TOPIC, "git is not on PATH: reports will name no commit, and nothing can be deployed", "Install git."
        )
        return
    if refused := checkout.refused():
        trust = f"Run: git config --global --add safe.directory {subject.context.directory}"
        advice = "Remove or rename them." if checkout.bare else trust
        yield Result(topic=_TOPIC, status=Status.FAILED, message=refused, advice=advice, code=UNAVAILABLE)
        return
    commit = checkout.head()
    if commit is None:
        yield skipped(_TOPIC, "no commit here: reports will name none, and nothing can be deployed")
        return
    odd = list(_odd(checkout, commit, in_ci="CI" in subject.context.environ))
    yield from odd or [fine(_TOPIC, f"{checkout.branch() or 'no branch'} at {commit[:12]}, as committed")]


def _odd(checkout: Checkout, commit: str, *, in_ci: bool) -> Iterator[Result]:
    """Yield what is unusual about a clone."""
    if checkout.foreign:
        advice = f"For git itself: git config --global --add safe.directory {checkout.top()}"
        yield warned(_TOPIC, "the repository belongs to another user; cd4ml reads it and runs nothing of it", advice)
    modified = checkout.modified()
    if modified is None:
        yield warned(_TOPIC, "git does not say which files differ from the commit", "Run: git status")
    elif modified:
        differ = "differ" if len(modified) > 1 else "differs"
        files = ", ".join(modified[:3]) + (f" and {len(modified) - 3} more" if len(modified) > 3 else "")
        yield warned(
            _TOPIC,
            f"{files} {differ} from the commit: verdicts on them are no evidence for deploy-model",
            "Commit first.",
        )
    if checkout.shallow:
        advice = "Run: git fetch --unshallow (in a workflow: fetch-depth: 0 of actions/checkout)."
        yield warned(_TOPIC, "a shallow clone: check-code's `baseline` and the age of commits are not known", advice)
    if not in_ci and checkout.pushed(commit) is False:
        advice = "Push it before you deploy, so that others can find what is in production."
        yield warned(_TOPIC, f"the commit {commit[:12]} is on this machine alone", advice)
