"""The signature of a model: which columns it takes, as MLmodel says it."""

from __future__ import annotations

import json
from pathlib import Path

from cd4ml.model_files.mlmodel import settings


def required_columns(folder: Path) -> list[str] | None:
    """Return the columns that a model's rows must have; None if it has no signature, or one without named columns.

    Raises:
        OptionsError: MLmodel cannot be read.
    """
    signature = settings(folder).get("signature")
    try:
        inputs = json.loads(signature["inputs"]) if signature else None
        named = [entry for entry in inputs if "name" in entry] if inputs else []
        return [str(entry["name"]) for entry in named if entry.get("required", True)] if named else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
