"""What values of each feature are usual, as a file says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.serving.exchange import Batch
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.settings import Settings, SettingsError
from cd4ml.serving.signature import FLOATS, INTEGERS, Column


@dataclass(frozen=True, kw_only=True)
class Range:
    """The usual values of a feature: numbers from a minimum to a maximum, or categories."""

    minimum: float = -math.inf
    maximum: float = math.inf
    categories: frozenset[Any] | None = None

    def has(self, value: Any) -> bool:
        """Whether a value is usual."""
        return value in self.categories if self.categories is not None else self.minimum <= value <= self.maximum


UNKNOWN: Final = Range()


def ranges_for(settings: Settings) -> dict[str, Range]:
    """Return the ranges that the settings name, or else those that the image was built with.

    Raises:
        SettingsError: as for `ranges_in`; or values outside are to be refused, and nothing says which those are.
    """
    if settings.out_of_range == "off":
        return {}
    built = settings.service_file.with_name("ranges.json")
    file = settings.ranges_file or (str(built) if built.exists() else "")
    if settings.out_of_range == "refuse" and not file:
        raise SettingsError("OUT_OF_RANGE=refuse needs RANGES_FILE, or an image that was built with feature-ranges")
    return ranges_in(file)


def demand(ranges: Mapping[str, Range], batch: Batch) -> None:
    """Refuse rows with a value that is outside; one that is missing is not.

    Raises:
        Refused: there are such values.
    """
    problems = [
        Problem(path=f"rows[{row}].{name}", problem="is outside the range of the test data")
        for name, usual in ranges.items()
        for row, value in enumerate(batch.columns.get(name) or ())
        if value is not None and value == value and not usual.has(value)
    ]
    if problems:
        raise Refused(422, "out-of-range", "The rows have values that the model was not tested on.", problems)


def ranges_in(file: str) -> dict[str, Range]:
    """Return the ranges in a file; none if no file is named.

    Raises:
        SettingsError: it cannot be read, holds no range, or one that is not of the form.
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

    Raises:
        SettingsError: what is said of a feature is not of that form.
    """
    found = document.get("ranges")
    return {name: _range(name, said) for name, said in found.items()} if isinstance(found, dict) else {}


def check(ranges: Mapping[str, Range], columns: Sequence[Column]) -> None:
    """Refuse ranges by which no value would ever be counted.

    Raises:
        SettingsError: a feature is none of the columns, or one without numbers has a minimum or a maximum.
    """
    types = {column.name: column.type for column in columns}
    for name, one in ranges.items():
        if name not in types:
            raise SettingsError(f"RANGES_FILE names an unknown feature: {name[:100]!r}")
        if one.categories is None and types[name] not in (*INTEGERS, *FLOATS):
            raise SettingsError(f"RANGES_FILE: {name[:100]!r} is not a column of numbers: it can have categories")


def _range(name: str, said: Any) -> Range:
    """Return the range of one feature."""
    if isinstance(said, dict) and said.keys() == {"categories"}:
        categories = said["categories"]
        if isinstance(categories, list) and all(isinstance(one, str | int | float | bool) for one in categories):
            return Range(categories=frozenset(categories))
    elif isinstance(said, dict) and said and said.keys() <= {"minimum", "maximum"}:
        bounds = Range(**said)
        if all(map(_is_number, said.values())) and bounds.minimum <= bounds.maximum:
            return bounds
    raise SettingsError(
        f"RANGES_FILE: {name[:100]!r} must have a minimum, a maximum that is not below it, or categories"
    )


def _is_number(value: Any) -> bool:
    """Whether a value is a number that bounds others."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
