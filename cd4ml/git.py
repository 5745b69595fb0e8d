"""Asking git, without letting the repository that is asked run anything."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

# A checked-out tree is data: neither its hooks nor its file-system monitor may run on our behalf.
SAFE: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def head(directory: Path) -> str | None:
    """Return the commit of the repository around a folder; None without a repository, a commit or git."""
    try:
        result = subprocess.run(
            ["git", *SAFE, "rev-parse", "--verify", "--quiet", "HEAD"],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return result.stdout.strip() or None
