"""The signature of a model: which columns it takes and of which types, as MLmodel says it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cd4ml.model_files.mlmodel import settings


@dataclass(frozen=True, kw_only=True)
class Input:
    """A column that a model takes.

    Attributes:
        type: as MLflow calls it, e.g. `long`, `double` or `string`.
    """

    name: str
    type: str
    required: bool = True


def inputs(folder: Path) -> tuple[Input, ...] | None:
    """Return the columns that a model takes, in order; None if it has no signature, or one without named columns.

    Raises:
        OptionsError: MLmodel cannot be read.
    """
    signature = settings(folder).get("signature")
    try:
        entries = json.loads(signature["inputs"]) if signature else None
        named = [entry for entry in entries if "name" in entry] if entries else []
        found = tuple(
            Input(name=str(entry["name"]), type=str(entry.get("type", "")), required=bool(entry.get("required", True)))
            for entry in named
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return found or None


def required_columns(folder: Path) -> list[str] | None:
    """Return the columns that a model's rows must have; None where `inputs` knows none.

    Raises:
        OptionsError: MLmodel cannot be read.
    """
    found = inputs(folder)
    return [one.name for one in found if one.required] if found else None
