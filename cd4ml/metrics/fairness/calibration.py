"""Calibration by group: whether the scores of each group say as often "positive" as the labels do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cd4ml.metrics.statistics.means import Sums, mean
from cd4ml.report import Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One group's scores against its labels.

    Attributes:
        score: weighted mean of the scores, in [0, 1].
        positives: weighted share of positive labels.
        gap: score minus positives; above 0 where the scores promise too much.
        interval: of the gap, two-sided 95 %; None if the rows tell nothing on the spread.
    """

    group: str
    n: int
    score: float
    positives: float
    gap: float
    interval: Interval | None


def group_calibration(counts: pd.DataFrame, names: pd.Series[str]) -> list[Calibration]:
    """Return the calibration of each group, from counts that carry the sums of scores.

    Args:
        counts: columns `y_true` (0 or 1), `n`, `weight`, `squares` and the sums over the rows of w s (`score`),
            w squared s (`square_score`) and w squared s squared (`square_score_square`).

    Source:
        Calibration in the large (Cox 1958, Biometrika 45:562; Van Calster et al. 2019, BMC Medicine 17:230), within
        each group. The interval is Student's, of the rows' differences between score and label.
    """
    return [_of_group(str(name), part) for name, part in counts.groupby(names, sort=True)]


def _of_group(name: str, part: pd.DataFrame) -> Calibration:
    """Return the calibration of one group: the mean of the differences between score and label."""
    rows, total, label = int(part["n"].sum()), float(part["weight"].sum()), part["y_true"]
    square = part["square_score_square"] - 2 * label * part["square_score"] + label * part["squares"]
    sums = Sums(
        n=rows,
        weight=total,
        squares=float(part["squares"].sum()),
        value=float((part["score"] - label * part["weight"]).sum()),
        square_value=float((part["square_score"] - label * part["squares"]).sum()),
        square_value_square=float(square.sum()),
    )
    gap = mean(sums)
    return Calibration(
        group=name,
        n=rows,
        score=float(part["score"].sum()) / total,
        positives=float((part["weight"] * label).sum()) / total,
        gap=gap.value,
        interval=gap.interval,
    )
