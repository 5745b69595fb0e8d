"""Group metrics of a binary decision, from counts.

The rows enter only as counts of (group, y_true, y_pred), which fairlearn's `MetricFrame` takes as weighted rows: its
own numbers, at the cost of one group-by. Rates are kept beside their exact numerators and denominators, so that a
ratio that is 4/5 is not taken for less than 0.8 by binary rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group of one sensitive feature (or of an intersection of several).

    Attributes:
        n: number of rows, unweighted.
        selected: weighted sum of rows with the positive decision, exact.
        total: weighted sum of all rows, exact.
    """

    name: str
    n: int
    selected: Fraction
    total: Fraction

    @property
    def selection_rate(self) -> Fraction:
        """Share of the group that gets the positive decision, in [0, 1]."""
        return self.selected / self.total


@dataclass(frozen=True, kw_only=True)
class FairnessMetrics:
    """What fairlearn says about one sensitive feature; None where a metric is undefined.

    Attributes:
        by_group: group name to metric name to value (selection_rate, true_positive_rate, false_positive_rate, n).
        demographic_parity_ratio: lowest over highest selection rate, the disparate impact ratio.
        demographic_parity_difference: highest minus lowest selection rate.
        equalized_odds_difference: larger of the ranges of the true and the false positive rates.
        equalized_odds_ratio: smaller of the ratios of the true and the false positive rates.
    """

    groups: Sequence[Group]
    by_group: Mapping[str, Mapping[str, float | int | None]]
    demographic_parity_ratio: float | None
    demographic_parity_difference: float | None
    equalized_odds_difference: float | None
    equalized_odds_ratio: float | None


def cells(decisions: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Count the rows of each (features, y_true, y_pred).

    Args:
        decisions: columns `y_true` and `y_pred` (0 or 1), `sample_weight`, and the features as texts; shape (n, k).

    Returns:
        One row for each combination that occurs, with `weight` (sum) and `n` (rows).
    """
    grouped = decisions.groupby([*features, "y_true", "y_pred"], observed=True, sort=True)["sample_weight"]
    return grouped.agg(weight="sum", n="size").reset_index()


def fairness_metrics(counts: pd.DataFrame, features: Sequence[str]) -> FairnessMetrics:
    """Compute the group metrics of a feature, or of the intersection of several, from counts.

    Args:
        counts: the result of `cells` for (at least) these features.

    Source:
        fairlearn.metrics (MetricFrame, selection_rate, true_positive_rate, false_positive_rate,
        demographic_parity_ratio, equalized_odds_difference): numbers equal to those on the rows.
    """
    from fairlearn import metrics as fairlearn

    names = counts[list(features)].agg(" & ".join, axis=1)
    weights = counts["weight"].to_numpy()
    groups = _groups(counts, names)
    rates = {"selection_rate": fairlearn.selection_rate}
    if _every_group_has(1, counts, names):
        rates["true_positive_rate"] = fairlearn.true_positive_rate
    if _every_group_has(0, counts, names):
        rates["false_positive_rate"] = fairlearn.false_positive_rate
    odds = len(rates) == 3
    frame = fairlearn.MetricFrame(
        metrics=rates,
        y_true=counts["y_true"],
        y_pred=counts["y_pred"],
        sensitive_features=names.rename("group"),
        sample_params={name: {"sample_weight": weights} for name in rates},
    )
    ratio, difference = frame.ratio(), frame.difference()
    highest = max(group.selection_rate for group in groups)
    return FairnessMetrics(
        groups=groups,
        by_group=_by_group(frame.by_group, groups),
        demographic_parity_ratio=float(ratio["selection_rate"]) if highest else None,
        demographic_parity_difference=float(difference["selection_rate"]),
        equalized_odds_difference=max(_of_odds(difference)) if odds else None,
        equalized_odds_ratio=_finite(min(_of_odds(ratio))) if odds else None,
    )


def _groups(counts: pd.DataFrame, names: pd.Series[str]) -> list[Group]:
    """Return each group with exact sums."""
    result = []
    for name, part in counts.groupby(names, sort=True):
        weights = [Fraction(weight) for weight in part["weight"].tolist()]
        selected = sum((w for w, y in zip(weights, part["y_pred"], strict=True) if y == 1), Fraction(0))
        result.append(Group(name=str(name), n=int(part["n"].sum()), selected=selected, total=sum(weights, Fraction(0))))
    return result


def _every_group_has(label: int, counts: pd.DataFrame, names: pd.Series[str]) -> bool:
    """Whether every group has rows with the label; a rate over none of them is undefined (fairlearn says 0)."""
    return bool((counts["y_true"] == label).groupby(names).any().all())


def _of_odds(values: pd.Series[float]) -> tuple[float, float]:
    """Return the true and the false positive rate's value."""
    return float(values["true_positive_rate"]), float(values["false_positive_rate"])


def _finite(value: float) -> float | None:
    """Return None for not-a-number: 0/0 among rates that are all zero."""
    return None if value != value else value


def _by_group(frame: Any, groups: Sequence[Group]) -> dict[str, dict[str, float | int | None]]:
    """Return fairlearn's table as plain values, with the group sizes."""
    sizes = {group.name: group.n for group in groups}
    return {
        str(name): {"n": sizes[str(name)], **{str(metric): float(value) for metric, value in row.items()}}
        for name, row in frame.iterrows()
    }
