"""Values in the one form that the model sees, however a protocol wrote them. It imports the standard library alone."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, Final

from cd4ml.serving.signature import Column

Form = Callable[[list[Any]], list[Any]]


def form_of(column: Column) -> Form:
    """Return what brings values of a column, which its reader has checked, into their form."""
    return _FORMS.get(column.type, _untyped)


def _doubles(values: list[Any]) -> list[Any]:
    """Return numbers as the model gets them."""
    return [None if value is None or value != value else float(value) for value in values]


def _singles(values: list[Any]) -> list[Any]:
    """Return numbers with the digits that single precision keeps."""
    nan = float("nan")
    return _doubles(array("f", [nan if value is None else value for value in values]).tolist())


def _integers(values: list[Any]) -> list[Any]:
    """Return whole numbers, 1.0 among them."""
    return [None if value is None or value != value else int(value) for value in values]


def _untyped(values: list[Any]) -> list[Any]:
    """Return values as they are, but one name for what is missing."""
    return [None if value is None or value != value else value for value in values]


_FORMS: Final[dict[str | None, Form]] = {
    "integer": _integers,
    "long": _integers,
    "float": _singles,
    "double": _doubles,
}
