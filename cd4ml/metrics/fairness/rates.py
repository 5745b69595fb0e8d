"""Group metrics of a binary decision, from counts.

The rows enter only as counts of (group, y_true, y_pred), which fairlearn's `MetricFrame` takes as weighted rows: its
own numbers, at the cost of one group-by. Rates are kept beside their exact numerators and denominators, so that a
ratio that is 4/5 is not taken for less than 0.8 by binary rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

SELECTION_RATE, PRECISION = "selection_rate", "precision"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share of a group's rows.

    Attributes:
        among: the rows it is a share of, by a column's value; None for all.
        hit: the rows that count, in the same way.
        library, function: which function says the same of rows.
    """

    among: tuple[str, int] | None
    hit: tuple[str, int]
    library: str = "fairlearn.metrics"
    function: str

    @property
    def undefined_without(self) -> str:
        """What a group lacks for which the rate is undefined."""
        if self.among is None:
            return "no rows"
        column, value = self.among
        return f"no {_SIGNS[value]} decisions" if column == "y_pred" else "no positive or no negative labels"


_SIGNS: Final = ("negative", "positive")
RATES: Final[Mapping[str, Rate]] = {
    SELECTION_RATE: Rate(among=None, hit=("y_pred", 1), function="selection_rate"),
    "true_positive_rate": Rate(among=("y_true", 1), hit=("y_pred", 1), function="true_positive_rate"),
    "false_positive_rate": Rate(among=("y_true", 0), hit=("y_pred", 1), function="false_positive_rate"),
    "false_negative_rate": Rate(among=("y_true", 1), hit=("y_pred", 0), function="false_negative_rate"),
    PRECISION: Rate(among=("y_pred", 1), hit=("y_true", 1), library="sklearn.metrics", function="precision_score"),
}
_LABELS: Final = ("y_true", "y_pred", "production_y_pred")


class Reference(StrEnum):
    """Which group the others are compared with, where none is named."""

    BEST = "best"
    LARGEST = "largest"


@dataclass(frozen=True, kw_only=True)
class Proportion:
    """A share of rows with exact sums.

    Attributes:
        successes, total: weighted sums.
        squares: sums of squared weights of the successes and of the other rows; all 1 without weights.
    """

    successes: Fraction
    total: Fraction
    squares: tuple[float, float]

    @property
    def value(self) -> Fraction | None:
        """The share, in [0, 1]; None of no rows."""
        return self.successes / self.total if self.total else None

    @property
    def counts(self) -> tuple[float, float]:
        """Successes and rows of the unweighted sample that would be as uncertain.

        Source:
            Effective sample size by the linearised variance of a weighted share (Kish 1965, Survey Sampling; Korn &
            Graubard 1998, Survey Methodology 24:193). Without weights these are the counts themselves.
        """
        if self.value is None:
            return 0.0, 0.0
        share, total = float(self.value), float(self.total)
        hits, others = self.squares
        if share in (0.0, 1.0):
            n = total * total / (hits + others)
        else:
            n = share * (1 - share) * total * total / ((1 - share) ** 2 * hits + share**2 * others)
        return share * n, n


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group of one sensitive feature (or of an intersection of several).

    Attributes:
        n: number of rows, unweighted.
        rates: proportion by name, all of RATES.
    """

    name: str
    n: int
    rates: Mapping[str, Proportion]

    def rate(self, name: str) -> Fraction | None:
        """Return a rate, exact; None if the group has no rows for it."""
        return self.rates[name].value

    @property
    def selected(self) -> Fraction:
        """Weighted sum of the rows with the positive decision."""
        return self.rates[SELECTION_RATE].successes

    @property
    def total(self) -> Fraction:
        """Weighted sum of all rows."""
        return self.rates[SELECTION_RATE].total

    @property
    def selection_rate(self) -> Fraction:
        """Share of the group that gets the positive decision, in [0, 1]."""
        return self.selected / self.total


@dataclass(frozen=True, kw_only=True)
class FairnessMetrics:
    """What fairlearn says about one sensitive feature; None where a metric is undefined.

    Attributes:
        by_group: group name to metric name to value (each of RATES, and n).
        demographic_parity_ratio: lowest over highest selection rate, the disparate impact ratio.
        demographic_parity_difference: highest minus lowest selection rate.
        equalized_odds_difference: larger of the ranges of the true and the false positive rates.
        equalized_odds_ratio: smaller of the ratios of the true and the false positive rates.
        differences: highest minus lowest, by rate; the true positive rate's is that of equal opportunity.
    """

    groups: Sequence[Group]
    by_group: Mapping[str, Mapping[str, float | int | None]]
    demographic_parity_ratio: float | None
    demographic_parity_difference: float | None
    equalized_odds_difference: float | None
    equalized_odds_ratio: float | None
    differences: Mapping[str, float | None]


def add_up(counts: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return counts by fewer keys; every other column of numbers is summed up, but labels are dropped."""
    sums = [name for name in counts.select_dtypes("number").columns if name not in keys and name not in _LABELS]
    return counts.groupby(list(keys), observed=True, sort=True)[sums].sum().reset_index()


def group_names(counts: pd.DataFrame, features: Sequence[str]) -> pd.Series[str]:
    """Return the name of each count's group; that of an intersection joins its parts.

    An `&` of a part's own is doubled there, or `x & y` with `z` and `x` with `y & z` would be one group.
    """
    parts = counts[list(features)]
    if len(features) > 1:
        parts = parts.apply(lambda names: names.str.replace("&", "&&"))
    return parts.agg(" & ".join, axis=1)


def fairness_metrics(counts: pd.DataFrame, features: Sequence[str]) -> FairnessMetrics:
    """Compute the group metrics of a feature, or of the intersection of several, from counts.

    Args:
        counts: one row for each combination of (at least) these features, `y_true` and `y_pred` (0 or 1), with `n`
            (rows), `weight` (sum) and `squares` (sum of squared weights). Without `y_true` there are selection rates
            alone.

    Source:
        fairlearn.metrics (MetricFrame, selection_rate, true_positive_rate, false_positive_rate,
        demographic_parity_ratio, equalized_odds_difference): numbers equal to those on the rows.
    """
    counts = add_up(counts, [*features, *(name for name in ("y_true", "y_pred") if name in counts.columns)])
    names = group_names(counts, features)
    groups = _groups(counts, names)
    frame = _frame(counts, names, [name for name in RATES if all(group.rates[name].total for group in groups)])
    ratio, difference = frame.ratio(), {str(name): float(value) for name, value in frame.difference().items()}
    odds = {"true_positive_rate", "false_positive_rate"} <= set(difference)
    highest = max(group.selection_rate for group in groups)
    return FairnessMetrics(
        groups=groups,
        by_group={group.name: _of_group(group) for group in groups},
        demographic_parity_ratio=float(ratio[SELECTION_RATE]) if highest else None,
        demographic_parity_difference=difference[SELECTION_RATE],
        equalized_odds_difference=max(_of_odds(difference)) if odds else None,
        equalized_odds_ratio=_finite(min(_of_odds(ratio))) if odds else None,
        differences={name: difference.get(name) for name in RATES},
    )


def _frame(counts: pd.DataFrame, names: pd.Series[str], rates: Sequence[str]) -> Any:
    """Return fairlearn's frame of the rates that are defined for every group (it says 0 where they are not)."""
    from fairlearn.metrics import MetricFrame

    functions = {name: getattr(import_module(RATES[name].library), RATES[name].function) for name in rates}
    return MetricFrame(
        metrics=functions,
        y_true=counts["y_true"] if "y_true" in counts.columns else counts["y_pred"],
        y_pred=counts["y_pred"],
        sensitive_features=names.rename("group"),
        sample_params={name: {"sample_weight": counts["weight"].to_numpy()} for name in functions},
    )


def _groups(counts: pd.DataFrame, names: pd.Series[str]) -> list[Group]:
    """Return each group with exact sums."""
    return [
        Group(name=str(name), n=int(part["n"].sum()), rates={rate: _proportion(part, rate) for rate in RATES})
        for name, part in counts.groupby(names, sort=True)
    ]


def _proportion(part: pd.DataFrame, rate: str) -> Proportion:
    """Return one rate of one group."""
    among, (column, hit) = RATES[rate].among, RATES[rate].hit
    if not {column, *([among[0]] if among else [])} <= set(part.columns):
        return Proportion(successes=Fraction(0), total=Fraction(0), squares=(0.0, 0.0))
    rows = part if among is None else part[part[among[0]] == among[1]]
    hits = rows[column] == hit
    weights = [_exactly(weight) for weight in rows["weight"].tolist()]
    return Proportion(
        successes=sum((weight for weight, counts in zip(weights, hits, strict=True) if counts), Fraction(0)),
        total=sum(weights, Fraction(0)),
        squares=(float(rows["squares"][hits].sum()), float(rows["squares"][~hits].sum())),
    )


def _exactly(weight: float) -> Fraction:
    """Return a sum of weights without the rounding errors that decimals such as 0.1 leave from the tenth digit on."""
    return Fraction(weight) if weight == int(weight) else Fraction(Decimal(f"{weight:.10g}"))


def _of_odds(values: Any) -> tuple[float, float]:
    """Return the true and the false positive rate's value."""
    return float(values["true_positive_rate"]), float(values["false_positive_rate"])


def _finite(value: float) -> float | None:
    """Return None for not-a-number: 0/0 among rates that are all zero."""
    return None if value != value else value


def _of_group(group: Group) -> dict[str, float | int | None]:
    """Return a group's rates as plain numbers, None where it has no rows for one, and its size."""
    rates = {name: proportion.value for name, proportion in group.rates.items()}
    return {"n": group.n, **{name: None if value is None else float(value) for name, value in rates.items()}}
