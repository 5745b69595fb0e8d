"""Where a signed statement about a report lies: in a Sigstore bundle of the report's name beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
ENDING: Final = ".sigstore.json"
LARGEST: Final = 64 << 20


def bundle_path(report: Path) -> Path:
    """Return where the bundle about a report lies."""
    return report.with_suffix(ENDING)


def is_bundle(path: Path) -> bool:
    """Whether a file is a bundle of an earlier run."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("mediaType") == BUNDLE_TYPE
