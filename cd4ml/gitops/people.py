"""Who made a commit of a GitOps repository, and what git says of its signature."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cd4ml.gitops.process import Git

_FIELDS: Final = ("%H", "%an <%ae>", "%cn <%ce>", "%ct", "%s", "%G?", "%GS")
# https://git-scm.com/docs/git-log: the verdicts of %G?
_VERDICTS: Final = {
    "G": "signed, valid",
    "B": "signed, and the signature is NOT valid",
    "U": "signed, valid, by a key whose owner is not certain",
    "X": "signed, valid, but the signature has expired",
    "Y": "signed, valid, by a key that has expired",
    "R": "signed by a key that was REVOKED",
    "E": "signed; this machine lacks the key to verify it",
}
_BROKEN: Final = frozenset("BR")
_NOT_SIGNED: Final = "not signed"
# A signature in a commit's head, of whichever kind; where this machine cannot read it, git calls the commit unsigned.
_SIGNATURE: Final = (b"\ngpgsig ", b"\ngpgsig-sha256 ")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A commit as git shows it.

    Attributes:
        author, committer: name and address, as the commit itself says: only a signature proves them.
        signature: in words.
        broken: whether the signature is there and proves that something is wrong.
    """

    sha: str
    author: str
    committer: str
    time: str
    title: str
    signature: str
    broken: bool


def made(git: Git, commits: Iterable[str]) -> dict[str, Made]:
    """Return commits by their digests, those that the clone has."""
    wanted = list(dict.fromkeys(commits))
    if not wanted:
        return {}
    options = ["--no-walk=unsorted", "--ignore-missing", "--no-show-signature", "--encoding=UTF-8", "--no-color"]
    form = f"--format={'%x00'.join(_FIELDS)}%x00%x01"
    found = git.attempt("log", *options, form, *wanted)
    if not found.done:
        return {}
    rows = (row.split("\0") for row in found.output.decode("utf-8", "replace").split("\x01"))
    return {one.sha: one for row in rows if len(row) > len(_FIELDS) and (one := _made(git, row)) is not None}


def _made(git: Git, row: list[str]) -> Made | None:
    """Return a commit of a line of git's log."""
    sha, author, committer, time, title, verdict, signer = (field.strip() for field in row[: len(_FIELDS)])
    if not time.isdigit():
        return None
    words = _VERDICTS.get(verdict, _NOT_SIGNED)
    if words == _NOT_SIGNED and _has_signature(git, sha):
        words = "signed; this machine cannot verify it"
    return Made(
        sha=sha,
        author=author,
        committer=committer,
        time=datetime.datetime.fromtimestamp(int(time), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        title=title,
        signature=f"{words} ({signer})" if signer else words,
        broken=verdict in _BROKEN,
    )


def _has_signature(git: Git, sha: str) -> bool:
    """Whether a commit holds a signature."""
    head = git.attempt("cat-file", "commit", sha).output.partition(b"\n\n")[0]
    return any(mark in head for mark in _SIGNATURE)
