"""What a model answered: decisions, and the numbers beside them; and where two answers to a row differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from cd4ml.data.predictions.labels import as_labels

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]
# How far a regression's prediction may move without counting, as a share of it, unless a test says otherwise.
RELATIVE: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A model's answers to n rows.

    Attributes:
        decisions: labels as people write them, None for a regression.
        numbers: shape (n, K): the score, the scores of K classes, or a regression's predictions; K is 0 where a
            classifier gives no score.
    """

    decisions: npt.NDArray[np.object_] | None
    numbers: Floats

    @property
    def score(self) -> Floats | None:
        """The one number that can rise or fall, shape (n,); None if there is none, or one for each of several."""
        return self.numbers[:, 0] if self.numbers.shape[1] == 1 else None

    def of(self, rows: Any) -> Answers:
        """Return the answers to some of the rows."""
        return Answers(
            decisions=None if self.decisions is None else self.decisions[rows],
            numbers=self.numbers[rows],
        )

    def told(self, row: int) -> str:
        """Return the answer to a row, for people."""
        decision = "" if self.decisions is None else str(self.decisions[row])
        if self.score is None:
            return decision
        number = f"{self.score[row]:.6g}"
        return f"{decision} ({number})" if decision else number


def answers(predictions: pd.DataFrame) -> Answers:
    """Return what a table of predictions holds.

    Predictions are a regression's if they are numbers with a fraction's type and no score stands beside them.
    """
    scores = [name for name in predictions.columns if str(name).startswith("y_score")]
    if not scores and predictions["y_pred"].dtype.kind == "f":
        return Answers(decisions=None, numbers=predictions[["y_pred"]].to_numpy(dtype=np.float64))
    numbers = predictions[scores].to_numpy(dtype=np.float64) if scores else np.empty((len(predictions), 0))
    return Answers(decisions=as_labels(predictions["y_pred"]).to_numpy(dtype=object), numbers=numbers)


@dataclass(frozen=True, kw_only=True)
class Moves:
    """How answers to n rows moved.

    Attributes:
        flips: whether each counts as another answer.
        amounts: by how much its numbers moved, at most: for regressions as a share of the first, else as they are.
    """

    flips: Marks
    amounts: Floats


def moves(before: Answers, after: Answers, tolerance: float | None = None) -> Moves:
    """Compare two answers to the same rows.

    Args:
        tolerance: how far a number may move without counting. For a regression a share of the first answer; for a
            classifier the difference of a score, None for decisions alone.

    Raises:
        ValueError: one model answered with other kinds of columns than before.
    """
    if (before.decisions is None) != (after.decisions is None) or before.numbers.shape != after.numbers.shape:
        raise ValueError("it answers in other columns than before")
    apart = np.abs(after.numbers - before.numbers)
    if before.decisions is None:
        scale = np.abs(before.numbers[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(apart[:, 0] == 0, 0.0, apart[:, 0] / scale)
        return Moves(flips=share > (RELATIVE if tolerance is None else tolerance), amounts=share)
    amounts = apart.max(axis=1) if apart.shape[1] else np.zeros(len(apart))
    flips = np.asarray(before.decisions != after.decisions, dtype=bool)
    return Moves(flips=flips if tolerance is None else flips | (amounts > tolerance), amounts=amounts)
