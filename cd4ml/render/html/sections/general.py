"""A stage without a section of its own: its numbers, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, details, element, joined, short
from cd4ml.render.html.tables import table
from cd4ml.render.html.values import listed
from cd4ml.render.numbers import number
from cd4ml.report import Published

_MOST: Final = 60
_LONGEST: Final = 300
_MOST_NESTED: Final = 6


def section(published: Published) -> Html:
    """Return every number of the report, and its details folded."""
    report = published.report
    folded = details("Details", numbers("Details", report.details))
    return joined([numbers("Numbers", report.metrics), folded])


def numbers(caption: str, found: Mapping[str, Any], *, most: int = _MOST) -> Html:
    """Return a table of names and values, however they are nested."""
    rows: list[list[Content]] = [[" · ".join(path), _shown(value)] for path, value in _flat(found, ())]
    return table(caption, ("What", "Value"), rows, most=most)


def _flat(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the scalars of an object with the keys that lead to them."""
    if isinstance(value, Mapping) and len(path) < _MOST_NESTED:
        for name, item in value.items():
            yield from _flat(item, (*path, str(name)))
    elif value is not None and value != "":
        yield path, value


def _shown(value: Any) -> Html | str:
    """Return a scalar as people read it; of a list, its scalars."""
    items = listed(value)
    if items:
        scalars = [_scalar(item) for item in items if not isinstance(item, Mapping | list)]
        return short(", ".join(scalars) if scalars else f"{len(items)} entries", most=_LONGEST)
    if isinstance(value, Mapping | list):
        return "none" if not value else f"{len(value)} entries"
    return element("code", short(value, most=_LONGEST)) if isinstance(value, str) else _scalar(value)


def _scalar(value: Any) -> str:
    """Return a number or a word."""
    return "yes" if value is True else "no" if value is False else number(value)
