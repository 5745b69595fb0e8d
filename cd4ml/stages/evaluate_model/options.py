"""What evaluate-model can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.checks.performance.rule import Decision
from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.metrics.performance.metric import Task

EXAMPLE: Final = "--predictions predictions.parquet --minimum roc-auc=0.8 --maximum-regression roc-auc=0.01"
OUTPUTS: Final[dict[str, str]] = {}


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of evaluate-model."""

    predictions: str = vocabulary.PREDICTIONS.here(
        "It needs y_true, y_pred and, for comparisons, production_y_pred.", required=True
    )
    task: Task = vocabulary.TASK.here(default=Task.BINARY)
    positive_label: str | None = vocabulary.POSITIVE_LABEL.here(
        "Not needed where labels are 0 and 1, or False and True."
    )
    minimum: Mapping[str, float] = option("Lowest allowed value by metric.", example="roc-auc=0.8", group=Group.LIMITS)
    maximum: Mapping[str, float] = option(
        "Highest allowed value by metric.", example="log-loss=0.4", group=Group.LIMITS
    )
    maximum_regression: Mapping[str, float] = option(
        "How much worse than production a metric may be; without it, every metric that some limit names may lose 0.",
        example="roc-auc=0.01",
        group=Group.LIMITS,
    )
    maximum_relative_regression: Mapping[str, float] = option(
        "How much worse than production a metric may be, as a share of production's value: 0.02 is 2 %.",
        example="rmse=0.02",
        group=Group.LIMITS,
    )
    comparison: Decision = option(
        "How metrics are compared with production: `point` compares the observed values, ignoring uncertainty; "
        "`no-worse-than` passes only what is shown to lose less than maximum-regression; "
        "`not-significantly-worse` blocks what is shown to be worse.",
        default=Decision.POINT,
        formerly="decision",
        group=Group.DECISION,
    )
    no_worse_than: Mapping[str, float] = option(
        "Metrics that pass only if they are shown to lose less than this, whatever comparison says.",
        example="roc-auc=0.01",
        group=Group.DECISION,
    )
    not_significantly_worse: tuple[str, ...] = option(
        "Metrics that block only if they are shown to be worse, whatever comparison says.",
        example="f1, recall",
        group=Group.DECISION,
    )
    primary_metric: str | None = option(
        "The metric that is tested alone at 5 %; the tests of the others share 5 % (Holm).",
        example="roc-auc",
        group=Group.DECISION,
    )
    maximum_churn: float | None = option(
        "Largest share of the test rows that the candidate may decide differently from production, rightly or wrongly.",
        group=Group.LIMITS,
    )
    maximum_breaks: float | None = option(
        "Largest share of the test rows that production gets right and the candidate may get wrong.", group=Group.LIMITS
    )
    slices: tuple[str, ...] = option(
        "Columns whose every value is held to the same limits; `region & sex` stands for each combination.",
        example="region, region & sex",
        group=Group.SLICES,
    )
    slice_bins: Mapping[str, str] = option(
        "Where numeric slice columns are cut, lower edges included.", example="age=25:40:62", group=Group.SLICES
    )
    slice_search: tuple[str, ...] = option(
        "Columns whose values and combinations are searched for slices that the candidate gets wrong more often than "
        "the other rows; `*` stands for all but the standard ones.",
        example="region, age",
        group=Group.SLICES,
    )
    slice_search_depth: int = option(
        "How many columns a searched slice may combine, at most 3.", default=2, group=Group.SLICES
    )
    slice_search_minimum_rows: int = option(
        "Rows below which a slice is not searched.", default=100, group=Group.SLICES
    )
    maximum_slice_gap: float | None = option(
        "Largest allowed excess of a searched slice's error rate (for regression: mean absolute error) over the other "
        "rows; without it the search is reported and decides nothing.",
        group=Group.LIMITS,
    )
    custom_metrics: Mapping[str, str] = option(
        "Your own metrics by name, better when greater: functions of y_true, y_pred, y_score, sample_weight.",
        example="profit=my_metrics:profit",
        group=Group.METRICS,
    )
    custom_losses: Mapping[str, str] = option(
        "Your own metrics by name, better when smaller.", example="cost=my_metrics:cost", group=Group.METRICS
    )
    decision_costs: Mapping[str, float] = option(
        "What a decision costs, for the metric decision-cost: `false-positive` and `false-negative` (also "
        "`true-positive` and `true-negative`); of several classes `<true> as <decided>`, and `other` for every wrong "
        "decision not listed.",
        example="false-positive=1, false-negative=10",
        group=Group.METRICS,
    )
    quantile: float = option(
        "Which quantile of the target y_pred predicts, for quantile-loss.", default=0.5, group=Group.METRICS
    )
    seed: int = option("Seed of the bootstraps: the same seed gives the same report.", default=0, group=Group.ADVANCED)
    maximum_gap: Mapping[str, float] = option(
        "How much better a metric may be on the training rows than on the test rows.",
        example="accuracy=0.05",
        group=Group.LIMITS,
    )
    train_predictions: str | None = vocabulary.TRAIN_PREDICTIONS.here("For maximum-gap.")
    maximum_latency_ratio: float | None = option(
        "Largest allowed prediction time as a multiple of production's; needs score-model's report with "
        "measure-latency.",
        group=Group.LIMITS,
    )
    maximum_size_ratio: float | None = option(
        "Largest allowed size of the model's files as a multiple of production's.", group=Group.LIMITS
    )
    scoring_report: str = option(
        "Report of score-model on these predictions, for the limits on latency and size.",
        default="reports/score-model.json",
        group=Group.INPUT,
    )
    split_report: str | None = option(
        "Report of check-split on the test rows: rows that equal others narrow no interval (default: check-split.json "
        "in the folder of reports, if it is about the rows that were scored).",
        example="reports/check-split.json",
        group=Group.INPUT,
    )
    bootstrap: bool = vocabulary.BOOTSTRAP.here(default=False)
    allow_identical: bool = option(
        "Allow candidate and production to predict the same on every row.", default=False, group=Group.DECISION
    )
    minimum_test_rows: int = option(
        "Test rows below which nothing can be decided.", default=30, formerly="minimum-rows", group=Group.DECISION
    )
    columns: Mapping[str, str] = vocabulary.COLUMNS.here()
