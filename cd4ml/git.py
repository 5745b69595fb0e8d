"""Asking git, without letting the repository that is asked run anything."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

# A checked-out tree is data: neither its hooks nor its file-system monitor may run on our behalf.
SAFE: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def head(directory: Path) -> str | None:
    """Return the commit of the repository around a folder; None without a repository, a commit or git."""
    return _ask(directory, "rev-parse", "--verify", "--quiet", "HEAD") or None


def committed_at(directory: Path, commit: str) -> int | None:
    """Return when a commit was made, in seconds since 1970; None if the repository does not know it."""
    answer = _ask(directory, "show", "--no-patch", "--format=%ct", commit) if _SHA.fullmatch(commit) else None
    return int(answer) if answer and answer.isdigit() else None


def is_ancestor(directory: Path, older: str, newer: str) -> bool:
    """Whether the first commit is part of the second one's history, as far as the repository knows it."""
    if not (_SHA.fullmatch(older) and _SHA.fullmatch(newer)):
        return False
    return _ask(directory, "merge-base", "--is-ancestor", older, newer) is not None


def _ask(directory: Path, *arguments: str) -> str | None:
    """Return git's answer; None if it has none, or there is no git."""
    try:
        result = subprocess.run(["git", *SAFE, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None
