"""How numbers look to people; reports keep full precision."""

from __future__ import annotations

from typing import Any, Final

from cd4ml.report import Interval, fixed, floored

# The metric of checks whose words say more than their value, a number of columns, does.
OF_COLUMNS: Final = "failing-columns"
# What is measured, and limited, in percent; a share is a decimal, as its limit is.
_IN_PERCENT: Final = frozenset({"coverage"})


def number(value: Any, *beside: Any) -> str:
    """Return the value as people read it: four decimals for fractions, thousands separated for counts.

    Args:
        beside: values that it is compared with: it gets the decimals that tell it from them.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    others = [other for other in beside if isinstance(other, int | float) and not isinstance(other, bool)]
    shown = f"{value:.4g}" if abs(value) >= 1000 or 0 < abs(value) < 0.001 else f"{value:.4f}"
    alike = any(other != value and number(other) == shown for other in others)
    return fixed(value, *others) if alike else shown


def measured(metric: str | None, value: Any, *beside: Any) -> str:
    """Return a value of a metric as people read it, in percent where the metric is."""
    return floored(value) if in_percent(metric, value) else number(value, *beside)


def limit(metric: str | None, value: Any, *beside: Any) -> str:
    """Return the limit on a metric: in percent it is shown as it was set."""
    return f"{value:g} %" if in_percent(metric, value) else number(value, *beside)


def in_percent(metric: str | None, value: Any) -> bool:
    """Whether a value is a percentage."""
    return metric in _IN_PERCENT and isinstance(value, int | float) and not isinstance(value, bool)


def interval(found: Interval | None) -> str:
    """Return an interval as people read it, empty if there is none."""
    if found is None:
        return ""
    shown = f"{number(found.lower, found.upper)} to {number(found.upper, found.lower)}"
    return f"difference {shown}" if found.of == "difference" else shown


def duration(seconds: float) -> str:
    """Return a time span with a unit that fits it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def plural(count: int, noun: str) -> str:
    """Return the count with the noun in its right form."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
