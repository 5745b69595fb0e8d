"""Trying a model: which row it refuses, and whether it answers a blank one. It imports the standard library alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.refused import Problem, Refused


def refusal(handles: Callable[[int, int], bool], first: int, last: int) -> Refused:
    """Return the refusal of rows, with one that the model refuses by itself, looked for in halves.

    Args:
        handles: whether the model predicts for the rows from one place to before another.
        first, last: the rows that it refuses together; no row is named if it refuses only several.
    """
    while last - first > 1:
        middle = (first + last) // 2
        if handles(first, middle):
            first = middle
        else:
            last = middle
    found = [] if handles(first, last) else [_problem(first)]
    return Refused(422, "refused-by-model", "The model cannot handle these values.", found)


def _problem(row: int) -> Problem:
    """Return what is wrong with a row that a model refuses."""
    return Problem(path=f"rows[{row}]", problem="the model cannot handle a value of this row")


def blank(predict: Callable[[Batch], Answers], row: dict[str, list[Any]]) -> str:
    """Call a model on a blank row, which it may rightly refuse, and return which of the two it was."""
    try:
        predict(Batch(columns=row, rows=1))
    except Refused:
        return "refused-blank-row"
    return "blank-row"
