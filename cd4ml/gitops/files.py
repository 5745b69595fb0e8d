"""Files of a commit: regular ones only, and why others cannot be written.

A link is not followed: what it points at may serve others, too, so whoever means that file names it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.process.programs import Completed

LARGEST: Final = 1_000_000
_REGULAR: Final = ("100644", "100755")
_LINK: Final = "120000"
_SUBMODULE: Final = "160000"
Run = Callable[..., Completed]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file, link, folder or submodule of a commit; an empty mode where there is none."""

    mode: str
    sha: str


def regular_file(run: Run, commit: str, path: str, branch: str) -> Entry:
    """Return where a manifest's content is.

    Args:
        run: runs git in the clone.

    Raises:
        OptionsError: there is no regular file at the path, with the reason; or it is too large.
    """
    found = entry(run, commit, path)
    if found.mode not in _REGULAR:
        problem, advice = _obstacle(run, commit, path)
        raise OptionsError(f"manifest {path}: {problem} on branch {branch}", advice=advice)
    size = int(run("cat-file", "-s", found.sha).output)
    if size > LARGEST:
        raise OptionsError(f"manifest {path}: {size} bytes is too large for a manifest")
    return found


def entry(run: Run, commit: str, path: str) -> Entry:
    """Return what a commit has at a path."""
    found = run("ls-tree", "-z", commit, "--", path).output.decode("utf-8", "replace")
    mode, _, sha = found.partition("\t")[0].split() if found else ("", "", "")
    return Entry(mode=mode, sha=sha)


def _obstacle(run: Run, commit: str, path: str) -> tuple[str, str]:
    """Say why there is no regular file at a path, and what to name instead."""
    parts = PurePosixPath(path).parts
    for length in range(1, len(parts) + 1):
        so_far = posixpath.join(*parts[:length])
        found = entry(run, commit, so_far)
        if found.mode == _LINK:
            target = run("cat-file", "blob", found.sha).output.decode("utf-8", "replace")
            return f"{so_far} is a symbolic link to {target}", _meant(so_far, target, parts[length:])
        if found.mode == _SUBMODULE:
            return f"{so_far} is a submodule", "Set repository to the submodule's own, and manifest to the path in it."
        if not found.mode:
            break
        if found.mode in _REGULAR and length < len(parts):
            return f"{so_far} is a file, not a folder", ""
        if length == len(parts) and found.mode not in _REGULAR:
            return f"{path} is a folder", "Name a file in it."
    return "no such file", "Check manifest and branch."


def _meant(link: str, target: str, rest: tuple[str, ...]) -> str:
    """Return which file to name instead of one behind a link."""
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(link), target, *rest))
    if resolved.startswith(("/", "../")) or resolved in (".", ".."):
        return "It points outside the repository: name a file inside it."
    return f"Name the file itself: {resolved}."
