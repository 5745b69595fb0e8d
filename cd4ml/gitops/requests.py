"""Changes that go to the branch at once, or that one pull request asks for where the branch is protected.

The request stands on a branch of its own, `cd4ml/<application>-<digest>`, with one commit that says of itself what a
pushed one says; so what is merged, squashed or rebased is found by later runs like what was pushed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from cd4ml.gitops.history import Commit
from cd4ml.gitops.offers import offer, offered
from cd4ml.gitops.pulls import Pull, Pulls
from cd4ml.gitops.repository import Clone, land
from cd4ml.gitops.route import api
from cd4ml.gitops.trailers import naming, trailers_of
from cd4ml.report import Check
from cd4ml.wording import safe

_FOLDER: Final = "cd4ml"
_MOST: Final = 40  # checks in a request's text


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of a change.

    Attributes:
        commit: what landed on the branch; None if nothing did.
        pull: the request that asks for it; None if nothing has to be asked for.
    """

    commit: str | None = None
    pull: Pull | None = None

    @property
    def address(self) -> str:
        """The request's address, empty if there is none."""
        return self.pull.address if self.pull else ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a manifest.

    Attributes:
        make: text now -> text wanted; called on every attempt, and may raise to give up.
        message: of the commit, made of the text before and after the change.
        part: of the manifest, if it serves several applications.
        image: what it is about, by digest or by tag.
        checks: what is known for it, for the people who are asked.
    """

    manifest: str
    make: Callable[[str], str]
    message: Callable[[str, str], str]
    part: str | None
    image: str
    checks: Sequence[Check] = ()


def deliver(repository: Clone, change: Change, progress: Callable[[str], None]) -> Delivered:
    """Push a change, or ask for it in a pull request.

    Raises:
        UnavailableError: it was refused, or somebody changed the request's branch.
    """
    if not repository.route.pull_request:
        commit = land(repository, change.manifest, change.make, change.message, part=change.part, progress=progress)
        return Delivered(commit=commit)
    return Delivered(pull=_asked(repository, change, progress))


def outcome(done: Delivered, given: str, branch: str) -> str:
    """Say what became of a change, after what the manifest gives the image with it."""
    if done.pull:
        return f"Pull request #{done.pull.number} asks {branch} for it ({done.address}). Once it is merged, {given}."
    return (
        f"{given}: commit {done.commit[:12]} on {branch}."
        if done.commit
        else f"{given} (it already does: nothing to change)."
    )


def requested(repository: Clone, manifest: str, part: str | None) -> list[Commit]:
    """Return what the open requests for an application would do; none where changes are pushed."""
    if not repository.route.pull_request:
        return []
    pulls = _pulls(repository, manifest, part)
    return [commit for pull in pulls.open() if (commit := offered(repository, pull.branch)) is not None]


def declined(repository: Clone, manifest: str, part: str | None, image: str) -> str:
    """Return the address of the request for an image that somebody closed without a merge; empty if nobody did."""
    if not repository.route.pull_request:
        return ""
    pulls = _pulls(repository, manifest, part)
    found = pulls.declined(pulls.prefix + _key(image))
    return found.address if found else ""


def _asked(repository: Clone, change: Change, progress: Callable[[str], None]) -> Pull | None:
    """Ask for a change in one pull request, and close what asked for another before."""
    before = repository.read(change.manifest)
    after = change.make(before)
    if after == before:
        return None
    pulls = _pulls(repository, change.manifest, change.part)
    branch = pulls.prefix + _key(change.image)
    known = next((pull for pull in pulls.open() if pull.branch == branch), None)
    said = repository.worded(naming(change.message(before, after), change.manifest, change.part))
    progress(f"Asking for it on the branch {branch}")
    offer(repository, branch, change.manifest, after, said, kept=known is not None)
    pull = pulls.bring(known, branch, said.partition("\n")[0], body(said, change.checks))
    _only(pulls, pull, lambda: change.make(before))
    return pull


def _only(pulls: Pulls, pull: Pull, look: Callable[[], str]) -> None:
    """Close the requests before this one; or this one, if another that came meanwhile goes first."""
    stands = False
    try:
        look()
        stands = True
    finally:
        if not stands:
            pulls.close(pull, "Another request goes first.")
    for other in pulls.open():
        if other.number < pull.number:
            pulls.close(other, f"Superseded by #{pull.number}.")


def body(message: str, checks: Sequence[Check]) -> str:
    """Return the text of a request; a squashed merge may take it for the commit's message, so it ends like one.

    Checks quote names and values from anywhere: in code spans they link to nobody and nothing.
    """
    _, _, rest = message.partition("\n")
    trailers = trailers_of(message)
    details = rest.partition(trailers)[0].strip() if trailers else rest.strip()
    lines = [f"- {_code(check.id)} {check.status}: {_code(check.message)}" for check in checks[:_MOST]]
    lines += [f"- {len(checks) - _MOST} more"] if len(checks) > _MOST else []
    shown = [_code(details)] if details else []
    evidence = ["**Evidence**\n\n" + "\n".join(lines)] if lines else []
    kept = [f"Later runs read these lines; keep them in the commit's message:\n\n```\n{trailers}\n```"]
    return "\n\n".join([*shown, *evidence, *kept]) + "\n"


def _code(text: str) -> str:
    """Return a text of somebody's as a code span."""
    plain = safe(text).replace("`", chr(39)).replace("<!--", "<! --")
    return f"`{' '.join(plain.split())[:400] or '-'}`"


def _pulls(repository: Clone, manifest: str, part: str | None) -> Pulls:
    """Return the requests for an application of a manifest: another environment's manifest has its own."""
    names = [
        name
        for name in re.split(r"[^a-z0-9]+", f"{PurePosixPath(manifest).with_suffix('')} {part or ''}".lower())
        if name
    ]
    # Letters that no branch takes make two names one; the digest tells them apart.
    told = hashlib.sha256("\0".join((repository.branch, manifest, part or "")).encode()).hexdigest()[:8]
    application = "-".join(names[-4:])[-40:].strip("-")
    return Pulls(client=api(repository.route), base=repository.branch, prefix=f"{_FOLDER}/{application}-{told}-")


def _key(image: str) -> str:
    """Return 12 digits of an image's digest; of a tag's name, if it has none."""
    return (image.rpartition("@sha256:")[2] if "@" in image else hashlib.sha256(image.encode()).hexdigest())[:12]
