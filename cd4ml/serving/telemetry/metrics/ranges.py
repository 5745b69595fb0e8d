"""What values of each feature are usual, as a file says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.serving.settings import SettingsError


@dataclass(frozen=True, kw_only=True)
class Range:
    """The usual values of a feature: numbers from a minimum to a maximum, or categories."""

    minimum: float = -math.inf
    maximum: float = math.inf
    categories: frozenset[Any] | None = None


UNKNOWN: Final = Range()


def ranges_in(file: str) -> dict[str, Range]:
    """Return the ranges in a file; none if no file is named.

    Raises:
        SettingsError: it cannot be read, or holds no range.
    """
    if not file:
        return {}
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"RANGES_FILE cannot be read: {type(error).__name__}") from None
    found = ranges_of(document) if isinstance(document, dict) else {}
    if not found:
        raise SettingsError('RANGES_FILE holds no range: {"ranges": {"age": {"minimum": 18, "maximum": 75}}}')
    return found


def ranges_of(document: Mapping[str, Any]) -> dict[str, Range]:
    """Read the key `ranges`: `{feature: {"minimum": …, "maximum": …} or {"categories": […]}}`.

    Whatever is not of that form says nothing of its feature: these are for monitoring, and nothing is refused by them.
    """
    found = document.get("ranges")
    read = {name: _range(said) for name, said in found.items()} if isinstance(found, dict) else {}
    return {name: one for name, one in read.items() if one is not None}


def _range(said: Any) -> Range | None:
    """Return the range of one feature, if that is what is said."""
    if not isinstance(said, dict):
        return None
    categories = said.get("categories")
    if isinstance(categories, list) and all(isinstance(one, str | int | float | bool) for one in categories):
        return Range(categories=frozenset(categories))
    bounds = {name: said[name] for name in ("minimum", "maximum") if _is_number(said.get(name))}
    return Range(**bounds) if bounds else None


def _is_number(value: Any) -> bool:
    """Whether a value is a number that bounds others."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
