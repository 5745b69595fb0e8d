"""Asking git, without letting the repository that is asked run anything."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cd4ml.process.programs import NotCompletedError, completed

# A checked-out tree is data: neither its hooks nor its file-system monitor may run on our behalf.
SAFE: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
# In a hook, git says by these which repository it means.
_PLACES: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}
    | {"GIT_NAMESPACE", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_EXTERNAL_DIFF", "GIT_CEILING_DIRECTORIES"}
)
_PLAIN_DIFF: Final = ("--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules")
_SECONDS: Final = 120.0
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """The repository around a folder, whichever one the variables of a hook may speak of."""

    directory: Path
    environ: Mapping[str, str] = field(repr=False)

    def head(self) -> str | None:
        """Return the commit that is checked out; None without a repository, a commit or git."""
        return self._ask("rev-parse", "--verify", "--quiet", "HEAD") or None

    def top(self) -> Path | None:
        """Return the repository's own folder; None outside one."""
        answer = self._ask("rev-parse", "--show-toplevel")
        return Path(answer) if answer else None

    def modified(self) -> list[str] | None:
        """Return the tracked files that differ from the commit that is checked out, None if git does not say."""
        arguments = ("--name-only", "-z", "--no-ext-diff", "--no-textconv", "--ignore-submodules=untracked", "HEAD")
        answer = self._answer("diff", *arguments)
        return None if answer is None else sorted(filter(None, answer.decode("utf-8", "replace").split("\0")))

    def files(self, path: str) -> list[Path]:
        """Return the files below a path that git tracks or would track, relative to this folder; empty outside one."""
        return self._listed("--cached", "--others", "--exclude-standard", "--", path)

    def ignored(self, path: str) -> list[Path]:
        """Return what git ignores below a path; of a folder that is ignored as a whole, the folder."""
        return self._listed("--others", "--ignored", "--exclude-standard", "--directory", "--", path)

    def merge_base(self, other: str) -> str | None:
        """Return the commit at which this branch left another; None if that is not known here."""
        return None if other.startswith("-") else self._ask("merge-base", other, "HEAD")

    def different(self, commit: str) -> list[Path] | None:
        """Return the tracked files below this folder that differ from a commit, relative to it; None if git fails."""
        return _names(self._answer("diff", "--name-only", "--relative", "-z", *_PLAIN_DIFF, commit, "--", "."))

    def diff(self, commit: str) -> str | None:
        """Return how the files below this folder differ from a commit, without context; None if git fails.

        Paths are relative to this folder.
        """
        options = ("--unified=0", "--no-color", "--no-prefix", "--relative", *_PLAIN_DIFF)
        answer = self._answer("-c", "core.quotePath=false", "diff", *options, commit, "--", ".")
        return None if answer is None else answer.decode("utf-8", "replace")

    def files_at(self, commit: str) -> list[Path] | None:
        """Return the files below this folder that a commit has, relative to it; None if git fails."""
        return _names(self._answer("ls-tree", "-r", "--name-only", "-z", commit, "--", "."))

    def _listed(self, *arguments: str) -> list[Path]:
        """Return paths that git lists."""
        return sorted(set(_names(self._answer("--literal-pathspecs", "ls-files", "-z", *arguments)) or []))

    def committed_at(self, commit: str) -> int | None:
        """Return when a commit was made, in seconds since 1970; None if the repository does not know it."""
        answer = self._ask("show", "--no-patch", "--format=%ct", commit) if _SHA.fullmatch(commit) else None
        return int(answer) if answer and answer.isdigit() else None

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether the first commit is part of the second one's history, as far as the repository knows it."""
        if not (_SHA.fullmatch(older) and _SHA.fullmatch(newer)):
            return False
        return self._ask("merge-base", "--is-ancestor", older, newer) is not None

    def _ask(self, *arguments: str) -> str | None:
        """Return git's answer as one text; None if it has none, or there is no git."""
        answer = self._answer(*arguments)
        return None if answer is None else answer.decode("utf-8", "replace").strip()

    def _answer(self, *arguments: str) -> bytes | None:
        """Return git's answer; None if it has none, or there is no git."""
        environ = {key: value for key, value in self.environ.items() if key not in _PLACES}
        environ.setdefault("PATH", os.defpath)
        command = ["git", *SAFE, *arguments]
        try:
            result = completed(command, environ=environ, folder=self.directory, seconds=_SECONDS)
        except NotCompletedError:
            return None
        return result.output if result.done else None


def _names(answer: bytes | None) -> list[Path] | None:
    """Return the paths of an answer that ends each with a zero byte, as the file system writes them."""
    return None if answer is None else [Path(os.fsdecode(name)) for name in answer.split(b"\0") if name]
