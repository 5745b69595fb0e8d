"""A model that takes tensors and gives classes or a number for each row, whichever library asks it. It needs numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import trying
from cd4ml.serving.signature import Column, ModelError, Tensor

Run = Callable[[Mapping[str, Any]], Any]

# Probabilities of single precision, some of them rounded, add up to 1 within this.
_ROUNDING = 1e-2
# So much is asked at once, whatever a request has: a network keeps what is between its layers for each row.
_ROWS_AT_ONCE: Final = 64
_VALUES_AT_ONCE: Final = 1 << 14


class Tensors:
    """A model's tensors, and how it is asked; always in a thread, since nobody knows how long it takes.

    Attributes:
        output: name of what it gives: probabilities of the classes, or a number for each row.
        nested: whether that number is a list of one, as in an output of shape [rows, 1].
        refusals: what it raises on values that it cannot handle.
    """

    columns: Sequence[Column] = ()
    inline_rows: int = 0

    def __init__(
        self,
        run: Run,
        *,
        name: str,
        tensors: Sequence[Tensor],
        output: str,
        classes: Sequence[Any],
        positive_label: Any,
        refusals: tuple[type[Exception], ...],
        nested: bool = False,
    ) -> None:
        self._run, self.name, self.tensors, self.output = run, name, tensors, output
        self.classes, self.positive_label, self._refusals = classes, positive_label, refusals
        self.nested = nested

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        feeds = {one.name: np.asarray(batch.columns[one.name], dtype=one.type) for one in self.tensors}
        found = in_pieces(lambda first, last: self._piece(feeds, first, last), feeds, batch.rows)
        bad = np.unique(np.argwhere(~np.isfinite(found))[:, 0]).tolist()
        if bad:
            what = "the model returns no finite number for it"
            problems = [Problem(path=f"rows[{at}]", problem=what) for at in bad]
            raise Refused(422, "no-prediction", "The model has no prediction for a row.", problems)
        answers = answers_of(found, batch.rows, self.classes, self.positive_label, probabilities=probabilities)
        self.nested = not self.classes and found.ndim > 1
        return answers

    def warm_up(self) -> str:
        """Call the model once, on a row of zeros, which it may rightly refuse."""
        shapes = {one.name: [1 if length == -1 else length for length in one.shape[1:]] for one in self.tensors}
        columns = {one.name: list(np.zeros((1, *shapes[one.name]), one.type)) for one in self.tensors}
        return trying.blank(self.predict, columns)

    def _piece(self, feeds: Mapping[str, Any], first: int, last: int) -> Any:
        """Return the output for some of the rows."""
        try:
            return self._run({name: values[first:last] for name, values in feeds.items()})
        except self._refusals:
            raise trying.refusal(partial(self._handles, feeds), first, last) from None

    def _handles(self, feeds: Mapping[str, Any], first: int, last: int) -> bool:
        """Whether the model predicts for these rows."""
        try:
            self._run({name: values[first:last] for name, values in feeds.items()})
        except self._refusals:
            return False
        return True


def in_pieces(ask: Callable[[int, int], Any], feeds: Mapping[str, Any], rows: int) -> Any:
    """Return the output for all rows, of which few are asked at once.

    Args:
        ask: gives the output for the rows from one place to before another.

    Raises:
        ModelError: a piece of the output has not as many rows as were asked, or rows of another shape.
    """
    size = sum(math.prod(values.shape[1:]) for values in feeds.values())
    step = max(1, min(_ROWS_AT_ONCE, _VALUES_AT_ONCE // max(1, size)))
    parts = []
    for first in range(0, rows, step):
        last = min(first + step, rows)
        parts.append(np.asarray(ask(first, last)))
        if parts[-1].shape != (last - first, *parts[0].shape[1:]):
            raise ModelError(f"the model gives an output of shape {list(parts[-1].shape)} for {last - first} rows")
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def answers_of(found: Any, rows: int, classes: Sequence[Any], positive: Any, *, probabilities: bool) -> Answers:
    """Return what an output says of rows: the likeliest class of each, or a number.

    Raises:
        ModelError: it is not one number for each row, or not probabilities of the classes.
    """
    if not classes:
        if found.shape not in ((rows,), (rows, 1)):
            shown = ", ".join(map(str, found.shape[1:])) or "nothing"
            raise ModelError(
                f"the model gives an output of shape [rows, {shown}]: one value for each row is needed; if these are "
                'probabilities of classes, save the model with metadata={"classes": […]}'
            )
        return Answers(y_pred=found.ravel().tolist(), y_score=None)
    if found.shape != (rows, len(classes)):
        raise ModelError(f"the model gives an output of shape {list(found.shape)} for {len(classes)} classes")
    if found.size and (found.min() < -_ROUNDING or np.abs(found.sum(axis=1, dtype="float64") - 1).max() > _ROUNDING):
        raise ModelError("the output for the classes is not probabilities: its values do not add up to 1 in each row")
    labels = [classes[at] for at in found.argmax(axis=1).tolist()]
    scores = None if positive is None else found[:, list(classes).index(positive)].tolist()
    return Answers(y_pred=labels, y_score=scores, probabilities=found.tolist() if probabilities else None)
