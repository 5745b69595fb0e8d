"""What to say of a file that is not there."""

from __future__ import annotations

from pathlib import Path

from cd4ml.errors import UnavailableError
from cd4ml.options import nearest


def missing_file(path: Path) -> UnavailableError:
    """Return the error for a file that is not there, with the nearest name beside it, or the folder that is missing."""
    folder = path.parent
    advice = "Paths are relative to working-directory."
    try:
        if not folder.is_dir():
            return UnavailableError(f"{path}: no such file: there is no folder {folder}.", advice=advice)
        known = nearest(path.name, sorted(beside.name for beside in folder.iterdir()))
    except OSError:
        known = ""
    return UnavailableError(f"{path}: no such file{known}.", advice=advice)
