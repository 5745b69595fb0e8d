"""What audit-fairness can be told, and what of it would decide nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.checks.fairness.decision import Decision
from cd4ml.checks.fairness.differences import DIFFERENCES, ERROR_DIFFERENCES
from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, Limit, option
from cd4ml.metrics.fairness.rates import SELECTION_RATE, Reference
from cd4ml.metrics.performance.metric import Task

EXAMPLE: Final = "--predictions predictions.parquet --sensitive-features sex,race"
OUTPUTS: Final[dict[str, str]] = {
    "disparate-impact-ratio": "The lowest disparate impact ratio that decides, of any group; a group that is selected "
    "more often than the reference counts with the inverse.",
    "reported-ratio": "The lowest ratio of any combination of features that is only reported; empty if every "
    "combination decides, or none is compared.",
}

OF_DECISIONS: Final = (*DIFFERENCES, "calibration-gap", "ratio-drop", "pair-drop")
MAXIMA: Final = (*OF_DECISIONS, "proxy", *ERROR_DIFFERENCES)


class Intersections(StrEnum):
    """What is done with combinations of sensitive features."""

    OFF = "off"
    REPORT = "report"
    GATE = "gate"


class ThresholdSweep(StrEnum):
    """What is done with other cut-offs of the scores."""

    OFF = "off"
    REPORT = "report"
    GATE = "gate"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of audit-fairness."""

    predictions: str = vocabulary.PREDICTIONS.here(
        "It needs y_pred, the sensitive features and, for limits on errors, y_true.", required=True
    )
    sensitive_features: tuple[str, ...] = option(
        "Columns of the predictions table to audit, one by one.", required=True, example="sex, race", group=Group.INPUT
    )
    test_data: str | None = vocabulary.TEST_DATA.here(
        "It needs the model's features and the sensitive ones; it is searched for features that give a group away."
    )
    exclude: tuple[str, ...] = vocabulary.EXCLUDE.here("For the test data; name the target here as well.")
    positive_label: str | None = vocabulary.POSITIVE_LABEL.here(
        "Not needed where decisions are 0 and 1, or False and True."
    )
    task: Task = vocabulary.TASK.here(
        "Decisions (`binary`) are audited, and quantities (`regression`), whose errors are compared.",
        default=Task.BINARY,
    )
    minimum_ratio: Limit = option(
        "Lowest allowed ratio of a group's selection rate to the reference group's (disparate impact): a number for "
        "all features, and `feature=number` for single ones. In YAML `*` stands for the others, which otherwise "
        "keep 0.8.",
        default=Limit(others=0.8),
        example="0.8, age=0.6",
        group=Group.LIMITS,
    )
    decision: Decision = option(
        "How uncertainty counts: `point` compares observed values with their limits, ignoring uncertainty; `strict` "
        "passes only what is shown to meet its limit; `evidence` fails only what is shown to break it.",
        default=Decision.POINT,
        group=Group.DECISION,
    )
    reference_method: Reference = option(
        "How the group that the others are compared with is chosen: the one with the `best` selection rate among "
        "groups of the minimum size, or the `largest`.",
        default=Reference.BEST,
        formerly="reference",
        group=Group.DECISION,
    )
    reference_groups: Mapping[str, str] = option(
        "Groups named in advance that the others are compared with, by feature.",
        example="sex=male",
        of_data=True,
        group=Group.DECISION,
    )
    bins: Mapping[str, str] = option(
        "Edges that cut a numeric feature into groups; each edge starts a group.",
        example="age=25:40:62",
        group=Group.SLICES,
    )
    intersections: Intersections = option(
        "Combinations of two sensitive features: `off`, `report` or `gate`.",
        default=Intersections.REPORT,
        group=Group.SLICES,
    )
    minimum_group_size: int = option(
        "Rows below which a group's ratio cannot pass, only block.", default=30, group=Group.DECISION
    )
    exclude_groups: tuple[str, ...] = option(
        "Groups left out of the comparison, as feature=group; each is named in the report with its size.",
        example="sex=(missing)",
        group=Group.SLICES,
    )
    maximum_excluded: float = option(
        "Largest share of rows that exclude-groups may leave out.", default=0.05, group=Group.SLICES
    )
    maximum_demographic_parity_difference: Limit | None = option(
        "Largest allowed difference between the groups' selection rates; unset, it is reported only. This and the "
        "limits below may be set per feature, as `minimum-ratio`.",
        example="0.1, age=0.3",
        group=Group.LIMITS,
    )
    maximum_equalized_odds_difference: Limit | None = option(
        "Largest allowed difference between the groups' true or false positive rates; unset, it is reported only.",
        group=Group.LIMITS,
    )
    maximum_equal_opportunity_difference: Limit | None = option(
        "Largest allowed difference between the groups' true positive rates.", group=Group.LIMITS
    )
    maximum_false_positive_rate_difference: Limit | None = option(
        "Largest allowed difference between the groups' false positive rates.", group=Group.LIMITS
    )
    maximum_false_negative_rate_difference: Limit | None = option(
        "Largest allowed difference between the groups' false negative rates.", group=Group.LIMITS
    )
    maximum_precision_difference: Limit | None = option(
        "Largest allowed difference between the groups' precisions.", group=Group.LIMITS
    )
    maximum_calibration_gap: Limit | None = option(
        "How far a group's mean y_score may lie from its share of positive labels.", group=Group.LIMITS
    )
    maximum_ratio_drop: Limit | None = option(
        "How far a group's ratio may fall below production's on the same rows; needs production_y_pred.",
        group=Group.LIMITS,
    )
    maximum_pair_drop: Limit | None = option(
        "How far the ratio of any two groups' selection rates (the lower over the higher) may fall below production's "
        "on the same rows; needs production_y_pred.",
        group=Group.LIMITS,
    )
    maximum_proxy: Limit | None = option(
        "How much a feature of the test data may tell of a sensitive one, from 0 to 1: Cramér's V of categories, "
        "2 AUC - 1 of numbers. Unset, what tells more than 0.5 is reported only.",
        example="0.5, age=0.7",
        group=Group.LIMITS,
    )
    maximum_mean_error_difference: Limit | None = option(
        "Regression: how far the groups' mean errors (predicted minus true) may lie apart, in the target's units.",
        group=Group.LIMITS,
    )
    maximum_absolute_error_difference: Limit | None = option(
        "Regression: how far the groups' mean absolute errors may lie apart, in the target's units.", group=Group.LIMITS
    )
    threshold_sweep: ThresholdSweep = option(
        "Whether the ratios also hold at other cut-offs of y_score than the present one: `off`, `report` or `gate`.",
        default=ThresholdSweep.OFF,
        group=Group.DECISION,
    )
    threshold_margin: float = option(
        "How far the cut-off is moved either way for threshold-sweep, in units of y_score.",
        default=0.05,
        group=Group.DECISION,
    )
    columns: Mapping[str, str] = vocabulary.COLUMNS.here()


def differences(options: Options, features: Sequence[str]) -> dict[str, float]:
    """Return the limits on differences of a feature, or of a combination, by the name of their check."""
    names = ERROR_DIFFERENCES if options.task is Task.REGRESSION else DIFFERENCES
    limits = {name: maximum(options, name, features) for name in names}
    return {name: limit for name, limit in limits.items() if limit is not None}


def maximum(options: Options, name: str, features: Sequence[str]) -> float | None:
    """Return the limit on a difference, gap or drop: of a combination that of its mildest feature; None for none."""
    limit = limit_on(options, name)
    limits = [limit.of(feature) for feature in features] if limit else []
    return None if not limits or None in limits else max(one for one in limits if one is not None)


def needs_labels(options: Options) -> bool:
    """Whether a limit is about errors, and so needs true labels: selection rates need decisions alone."""
    of_errors = {name for name, rates in DIFFERENCES.items() if rates != (SELECTION_RATE,)} | {"calibration-gap"}
    return any(limit_on(options, name) is not None for name in of_errors)


def limit_on(options: Options, name: str) -> Limit | None:
    """Return what is set on a difference, a gap or a drop; None if nothing is."""
    limit: Limit | None = getattr(options, f"maximum_{name.replace('-', '_')}")
    return limit


def minimum_ratio(options: Options, features: Sequence[str]) -> float:
    """Return the minimum ratio of a feature, or of a combination: that of its mildest feature."""
    ratios = [options.minimum_ratio.of(name) for name in features]
    return min(ratio for ratio in ratios if ratio is not None)
