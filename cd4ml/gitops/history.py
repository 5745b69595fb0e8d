"""What the suite did to a manifest: all of it, wherever the manifest stood then, and on whichever branch it was done.

Commits are known by their trailers (`Cd4ml-Image: …`), not by the files that they touched: git's own history of a path
ends where a folder was moved, and leaves out side branches whose changes cancel out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

from cd4ml.gitops.files import entry
from cd4ml.gitops.process import Git
from cd4ml.gitops.trailers import COMMIT, MANIFEST, PART, PREFIX

_MARK: Final = f"^[[:space:]]*{PREFIX}[A-Za-z-]+: "
# `git merge --squash` indents the messages that it collects; a quotation in prose starts with another sign.
_LINE: Final = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9-]*): (\S.*)")
_DIFF: Final = ("-z", "-r", "-m", "--root", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a commit of the suite says about itself; a squashed merge says it of several.

    Attributes:
        time: when it was committed, in seconds since 1970, by its machine's clock.
    """

    sha: str
    message: str
    time: int = 0

    def trailer(self, name: str) -> str | None:
        """Return the value of a trailer such as `Cd4ml-Image: …`; of several the last."""
        found = [
            line[2].strip() for line in map(_LINE.fullmatch, self.message.splitlines()) if line and line[1] == name
        ]
        return found[-1] if found else None


@dataclass(frozen=True, kw_only=True)
class History:
    """What was done to a manifest.

    Attributes:
        commits: newest first; what the branch itself no longer holds comes last.
        complete: whether this is everything; a shallow repository keeps its early commits to itself.
        unrecorded: those of the branch that the ledger lacks.
    """

    commits: Sequence[Commit]
    complete: bool = True
    unrecorded: Sequence[Commit] = field(default=(), repr=False)

    def without(self, parts: Set[str]) -> History:
        """Return what was not done to one of these parts of the manifest; a part that is gone may have been renamed."""
        return replace(self, commits=[commit for commit in self.commits if commit.trailer(PART) not in parts])


def history(git: Git, base: str, ledger: str, manifest: str, *, complete: bool) -> History:
    """Return what the commits of a branch, and the ledger, say about a manifest.

    Args:
        base: the branch's newest commit.
        ledger: the ledger's newest commit; empty if there is none.
    """
    on_branch = _about(git, base, manifest, list(_told(git, base)))
    entries = _about(git, base, manifest, list(_told(git, ledger))) if ledger else []
    recorded = {commit.trailer(COMMIT) for commit in entries}
    there = {commit.sha for commit in on_branch}
    return History(
        commits=[*on_branch, *(commit for commit in entries if commit.trailer(COMMIT) not in there)],
        complete=complete,
        unrecorded=[commit for commit in on_branch if commit.sha not in recorded],
    )


def _told(git: Git, tip: str) -> Iterator[Commit]:
    """Yield what the commits that a tip holds say about themselves, newest first."""
    options = ["--topo-order", "--no-show-signature", "--encoding=UTF-8", "--no-color", "-E", f"--grep={_MARK}"]
    fields = git.run("log", *options, "--format=%H%x00%ct%x00%B%x00", tip).output.decode("utf-8", "replace").split("\0")
    for sha, time, message in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        for block in reversed(_blocks(message)):
            yield Commit(sha=sha.strip(), message=block, time=int(time) if time.isdigit() else 0)


def _blocks(message: str) -> list[str]:
    """Return the runs of trailers in a message: a squashed merge has those of every commit that it holds."""
    blocks: list[list[str]] = [[]]
    for line in message.splitlines():
        if _LINE.fullmatch(line):
            blocks[-1].append(line.strip())
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if any(line.startswith(PREFIX) for line in block)]


def _about(git: Git, base: str, manifest: str, commits: Sequence[Commit]) -> list[Commit]:
    """Return the commits that are about a manifest: they name it, or touched it, under one of the names it has had."""
    silent = [commit.sha for commit in commits if commit.trailer(MANIFEST) is None]
    touched = _touched(git, silent) if silent else {}
    paths = [{named} if (named := commit.trailer(MANIFEST)) else touched.get(commit.sha, set()) for commit in commits]
    names = {manifest} if all(found <= {manifest} for found in paths) else _names(git, base, manifest)
    return [commit for commit, found in zip(commits, paths, strict=True) if found & names]


def _touched(git: Git, commits: Iterable[str]) -> dict[str, set[str]]:
    """Return the files that commits changed, against any of their parents."""
    stdin = "".join(f"{sha}\n" for sha in dict.fromkeys(commits)).encode()
    found: dict[str, set[str]] = {}
    sha = ""
    tokens = iter(git.run("diff-tree", "--stdin", "--no-renames", *_DIFF, stdin=stdin).output.split(b"\0"))
    for token in tokens:
        if token.startswith(b":"):
            found.setdefault(sha, set()).add(next(tokens).decode("utf-8", "replace"))
        else:
            sha = token.decode()
    return found


def _names(git: Git, base: str, manifest: str) -> set[str]:
    """Return the names that a manifest has had: where it was moved from, and from there on backwards."""
    names, waiting = {manifest}, [manifest]
    while waiting:
        name = waiting.pop()
        options = ["--full-history", "-m", "--no-renames", "--diff-filter=A", "--format=%H", "--no-patch"]
        added = git.run("log", "--no-show-signature", *options, base, "--", name).output.decode().split()
        for sha in dict.fromkeys(added):
            earlier = (_renamed(git, sha, name) | _copied(git, sha, name, base)) - names
            names |= earlier
            waiting += sorted(earlier)
    return names


def _renamed(git: Git, commit: str, name: str) -> set[str]:
    """Return the files that a commit moved to a name."""
    tokens = iter(
        git.run("diff-tree", "--no-commit-id", "-M", *_DIFF, commit).output.decode("utf-8", "replace").split("\0")
    )
    sources = set()
    for token in tokens:
        before = next(tokens, "")
        if token.rpartition(" ")[2].startswith(("R", "C")) and next(tokens, "") == name:
            sources.add(before)
    return sources


def _copied(git: Git, commit: str, name: str, base: str) -> set[str]:
    """Return the files that were there with this very content before, and are gone since: moved in two steps."""
    content = entry(git.run, commit, name).sha
    sources = set()
    for parent in git.run("rev-parse", f"{commit}^@").output.decode().split():
        listed = git.run("ls-tree", "-r", "-z", parent).output.decode("utf-8", "replace").split("\0")
        pairs = (line.partition("\t") for line in listed if line)
        sources |= {path for facts, _, path in pairs if facts.split()[2] == content and path != name}
    return {path for path in sources if not entry(git.run, base, path).mode}
