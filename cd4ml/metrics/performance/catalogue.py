"""Every performance metric that limits can name: one row for each, and nothing else knows it by its name.

A row says what reports and scikit-learn call the metric, for which tasks it is defined, what it needs, its range, and
what computes it; what kind of computation that is decides how sure the value is. To add one, write its function, its
row, and its reference test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from cd4ml.metrics.performance import brier_parts, calibration, class_scores, labels, losses, multilabel, ranking
from cd4ml.metrics.performance.metric import Metric, Needs, Share, Task

_BINARY: Final = frozenset({Task.BINARY})
_MULTICLASS: Final = frozenset({Task.MULTICLASS})
_CLASSES: Final = _BINARY | _MULTICLASS
_MULTILABEL: Final = frozenset({Task.MULTILABEL})
_REGRESSION: Final = frozenset({Task.REGRESSION})
_CLASS_MISSED: Final = "some class is never predicted, or occurs only among the predictions"
_BIN_BY_BIN: Final = "delta method to the second order, bin by bin"
_ONE_AGAINST_REST: Final = "DeLong, each class against the rest"

MEAN_ABSOLUTE_ERROR: Final = Metric(
    name="mae",
    aliases=("mean_absolute_error",),
    tasks=_REGRESSION,
    greater_is_better=False,
    highest=math.inf,
    of_rows=losses.mean_of(losses.absolute_error),
)

_ROWS: Final = (
    Metric(
        name="accuracy",
        aliases=("accuracy_score",),
        tasks=_CLASSES | _MULTILABEL,
        greater_is_better=True,
        of_counts=labels.accuracy,
        share=Share.ALL,
    ),
    Metric(
        name="balanced-accuracy",
        aliases=("balanced_accuracy_score",),
        tasks=_CLASSES,
        greater_is_better=True,
        of_counts=labels.macro(labels.RECALL),
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="precision",
        aliases=("precision_score",),
        tasks=_BINARY,
        greater_is_better=True,
        of_counts=labels.of_positive(labels.PRECISION),
        share=Share.DECIDED,
    ),
    Metric(
        name="recall",
        aliases=("recall_score",),
        synonyms=("sensitivity",),
        tasks=_BINARY,
        greater_is_better=True,
        of_counts=labels.of_positive(labels.RECALL),
        share=Share.POSITIVE,
    ),
    Metric(
        name="f1",
        aliases=("f1_score",),
        tasks=_BINARY,
        greater_is_better=True,
        of_counts=labels.of_positive(labels.F1),
    ),
    Metric(
        name="precision-macro",
        tasks=_CLASSES,
        greater_is_better=True,
        of_counts=labels.macro(labels.PRECISION),
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="recall-macro",
        tasks=_CLASSES,
        greater_is_better=True,
        of_counts=labels.macro(labels.RECALL),
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="f1-macro",
        tasks=_CLASSES | _MULTILABEL,
        greater_is_better=True,
        of_counts=labels.macro(labels.F1),
        of_sets=multilabel.f1_macro,
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="f1-micro",
        tasks=_MULTILABEL,
        greater_is_better=True,
        of_sets=multilabel.f1_micro,
    ),
    Metric(
        name="hamming-loss",
        tasks=_MULTILABEL,
        greater_is_better=False,
        of_sets=multilabel.hamming_loss,
    ),
    Metric(
        name="precision-weighted",
        tasks=_CLASSES,
        greater_is_better=True,
        of_counts=labels.weighted(labels.PRECISION),
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="recall-weighted",
        tasks=_CLASSES,
        greater_is_better=True,
        of_counts=labels.weighted(labels.RECALL),
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="f1-weighted",
        tasks=_CLASSES,
        greater_is_better=True,
        of_counts=labels.weighted(labels.F1),
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="roc-auc",
        aliases=("roc_auc_score",),
        synonyms=("auc", "auroc"),
        tasks=_BINARY,
        greater_is_better=True,
        needs=Needs.SCORES,
        of_rows=ranking.roc_auc,
        method="DeLong",
    ),
    Metric(
        name="pr-auc",
        aliases=("average_precision", "average_precision_score"),
        synonyms=("auprc", "aucpr"),
        tasks=_BINARY,
        greater_is_better=True,
        needs=Needs.SCORES,
        of_rows=ranking.average_precision,
    ),
    Metric(
        name="roc-auc-macro",
        aliases=("roc_auc_ovr",),
        tasks=_MULTICLASS,
        greater_is_better=True,
        needs=Needs.SCORES,
        of_classes=class_scores.roc_auc_macro,
        method=_ONE_AGAINST_REST,
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="roc-auc-weighted",
        aliases=("roc_auc_ovr_weighted",),
        tasks=_MULTICLASS,
        greater_is_better=True,
        needs=Needs.SCORES,
        of_classes=class_scores.roc_auc_weighted,
        method=_ONE_AGAINST_REST,
        why_undefined=_CLASS_MISSED,
    ),
    Metric(
        name="log-loss",
        synonyms=("logloss",),
        tasks=_CLASSES,
        greater_is_better=False,
        needs=Needs.PROBABILITIES,
        highest=math.inf,
        of_rows=losses.mean_of(losses.log_loss),
        of_classes=class_scores.log_loss,
    ),
    Metric(
        name="brier",
        aliases=("brier_score_loss",),
        tasks=_CLASSES,
        greater_is_better=False,
        needs=Needs.PROBABILITIES,
        highest_of_classes=2.0,
        of_rows=losses.mean_of(losses.squared_distance),
        of_classes=class_scores.brier,
    ),
    Metric(
        name="calibration-error",
        synonyms=("ece",),
        tasks=_CLASSES,
        greater_is_better=False,
        needs=Needs.PROBABILITIES,
        of_rows=calibration.calibration_error,
        of_classes=class_scores.calibration_error,
        biased=True,
    ),
    Metric(
        name="brier-reliability",
        tasks=_BINARY,
        greater_is_better=False,
        needs=Needs.PROBABILITIES,
        of_rows=brier_parts.reliability,
        method=_BIN_BY_BIN,
    ),
    Metric(
        name="brier-resolution",
        tasks=_BINARY,
        greater_is_better=True,
        needs=Needs.PROBABILITIES,
        highest=0.25,
        of_rows=brier_parts.resolution,
        method=_BIN_BY_BIN,
    ),
    Metric(
        name="rmse",
        aliases=("root_mean_squared_error",),
        tasks=_REGRESSION,
        greater_is_better=False,
        highest=math.inf,
        of_rows=losses.root_mean_squared_error,
    ),
    MEAN_ABSOLUTE_ERROR,
    Metric(
        name="r2",
        aliases=("r2_score",),
        tasks=_REGRESSION,
        greater_is_better=True,
        lowest=-math.inf,
        of_rows=losses.r_squared,
    ),
    Metric(
        name="mape",
        aliases=("mean_absolute_percentage_error",),
        tasks=_REGRESSION,
        greater_is_better=False,
        highest=math.inf,
        of_rows=losses.mean_of(losses.percentage_error),
    ),
    Metric(
        name="poisson-deviance",
        aliases=("mean_poisson_deviance",),
        tasks=_REGRESSION,
        greater_is_better=False,
        highest=math.inf,
        of_rows=losses.mean_of(losses.poisson_deviance),
    ),
    Metric(
        name="gamma-deviance",
        aliases=("mean_gamma_deviance",),
        tasks=_REGRESSION,
        greater_is_better=False,
        highest=math.inf,
        of_rows=losses.mean_of(losses.gamma_deviance),
    ),
    Metric(
        name="quantile-loss",
        aliases=("mean_pinball_loss",),
        tasks=_REGRESSION,
        greater_is_better=False,
        highest=math.inf,
        of_rows=losses.mean_of(losses.pinball),
    ),
)

METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ROWS}
# Every spelling -> the name in reports.
SPELLINGS: Final[Mapping[str, str]] = {spelling: metric.name for metric in _ROWS for spelling in metric.spellings}
# The metrics that a first configuration limits, by task.
FIRST: Final[Mapping[Task, tuple[str, ...]]] = {
    Task.BINARY: ("accuracy", "roc-auc"),
    Task.MULTICLASS: ("accuracy", "f1-macro"),
    Task.MULTILABEL: ("accuracy", "f1-micro"),
    Task.REGRESSION: ("mae", "r2"),
}
# What a model reaches that has learned nothing, where that does not depend on the rows.
WITHOUT_SKILL: Final[Mapping[str, float]] = {"roc-auc": 0.5, "r2": 0.0}
