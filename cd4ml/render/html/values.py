"""Numbers and texts out of the free parts of a report, of no known shape: what is not as expected is nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cd4ml.render.numbers import number


def mapping(value: object, *path: str) -> Mapping[str, Any]:
    """Return the object at the end of a path of keys, empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> Sequence[Any]:
    """Return a list, empty where there is none."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def numeric(value: object) -> float | int | None:
    """Return a finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e300 and math.isfinite(value) else None


def numbers(value: object) -> list[float] | None:
    """Return a list of numbers, None if something else is in it."""
    found = [numeric(item) for item in listed(value)]
    return [float(item) for item in found if item is not None] if found and None not in found else None


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """An interval of which both ends are known."""

    lower: float
    upper: float


def bounds(value: object) -> Bounds | None:
    """Return the bounds of an interval of a report, None where one is unknown."""
    lower, upper = (numeric(mapping(value).get(end)) for end in ("lower", "upper"))
    return None if lower is None or upper is None else Bounds(lower=float(lower), upper=float(upper))


def between(found: Bounds | None) -> str:
    """Return an interval as people read it, empty if there is none."""
    return f"{number(found.lower, found.upper)} to {number(found.upper, found.lower)}" if found else ""


def slice_name(part: Mapping[str, Any]) -> str:
    """Return a slice in words."""
    return " & ".join(f"{column}={value}" for column, value in mapping(part, "slice").items())
