"""What detect-drift can be told, and what of it would decide nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.errors import OptionsError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import OTHERS, Group, Limit, option
from cd4ml.metrics.performance.metric import Task

EXAMPLE: Final = "--reference models:/credit@champion --current today.parquet"
OUTPUTS: Final[dict[str, str]] = {
    "drift": "`true` if anything drifted, moderately or significantly, `unknown` if nothing is known to have drifted "
    "and a check reached no verdict, else `false`.",
    "retrain": "`true` if the findings call for retraining, else `false`.",
    "worst-feature": "The feature that drifted most by the verdict of its checks, empty if none drifted.",
}

PER_FEATURE: Final = (
    "moderate",
    "significant",
    "moderate_distance",
    "significant_distance",
    "maximum_missing_change",
    "maximum_unseen",
)


class OnModerate(StrEnum):
    """What moderate drift does."""

    WARN = "warn"
    FAIL = "fail"


class Correction(StrEnum):
    """How the tests of all features are corrected for their number."""

    HOLM = "holm"
    BENJAMINI_HOCHBERG = "benjamini-hochberg"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of detect-drift."""

    reference: str = option(
        "What to compare with: a table, a profile (.json) that save-profile wrote, or the "
        "model that holds one as reference-profile.json: models:/NAME@ALIAS, models:/NAME/VERSION or its folder.",
        required=True,
        example="models:/credit@champion",
        group=Group.INPUT,
    )
    current: str | None = option(
        "The table to look at. Without one, save-profile makes the profile and nothing is compared.",
        example="data/today.parquet",
        group=Group.INPUT,
    )
    features: tuple[str, ...] = vocabulary.FEATURES.here("They are compared; predictions may be among them.")
    exclude: tuple[str, ...] = vocabulary.EXCLUDE.here()
    categorical: tuple[str, ...] = option(
        "Columns of numbers that are categories; texts and booleans always are.", example="postcode", group=Group.INPUT
    )
    moderate: Limit = option(
        "PSI from which drift is moderate. This and the limits below: a number for all features, and `feature=number` "
        "for single ones; in YAML `*` stands for the others, which otherwise keep the default.",
        default=Limit(others=0.10),
        example="0.1, city=0.2",
        group=Group.LIMITS,
    )
    significant: Limit = option(
        "PSI above which drift is significant and blocks.", default=Limit(others=0.25), group=Group.LIMITS
    )
    moderate_distance: Limit = option(
        "Kolmogorov-Smirnov distance from which drift is moderate.", default=Limit(others=0.08), group=Group.LIMITS
    )
    significant_distance: Limit = option(
        "Kolmogorov-Smirnov distance from which drift is significant.", default=Limit(others=0.20), group=Group.LIMITS
    )
    on_moderate: OnModerate = option(
        "What moderate drift does: `warn` passes and asks for retraining, `fail` blocks.",
        default=OnModerate.WARN,
        group=Group.DECISION,
    )
    psi_bins: int = option(
        "Quantile bins of the reference for the PSI of numbers.", default=10, formerly="bins", group=Group.ADVANCED
    )
    maximum_missing_change: Limit = option(
        "Largest allowed change in the share of rows without a usable value.",
        default=Limit(others=0.05),
        group=Group.LIMITS,
    )
    maximum_unseen: Limit = option(
        "Largest allowed share of rows in categories that the reference does not have.",
        default=Limit(others=0.01),
        example="0.01, merchant=0.2",
        group=Group.LIMITS,
    )
    minimum_sample_size: int = option(
        "Usable values of a feature below which nothing is decided.",
        default=100,
        formerly="minimum-rows",
        group=Group.DECISION,
    )
    alpha: float = vocabulary.ALPHA.here(default=0.05)
    correction: Correction = option(
        "How the tests of all features are corrected for their number.", default=Correction.HOLM, group=Group.DECISION
    )
    save_profile: str | None = option(
        "Where to write the profile of the reference, to compare with later.",
        example="model/reference-profile.json",
        group=Group.OUTPUT,
    )
    label: str | None = option(
        "Column of delayed labels; where it is set, performance on the labelled rows is compared, and a profile holds "
        "that of the reference.",
        example="y_true",
        group=Group.INPUT,
    )
    prediction: str = option(
        "Column of predictions that labels are compared with.", default="y_pred", group=Group.INPUT
    )
    positive_label: str | None = vocabulary.POSITIVE_LABEL.here(
        "With it and y_score, a profile also holds the error rate that the probabilities let expect."
    )
    task: Task = vocabulary.TASK.here(
        "Labels are compared with predictions by the error rate, or for `regression` by the mean absolute error.",
        default=Task.BINARY,
    )
    time_column: str | None = option(
        "Column that orders the current rows, to look at windows of time.", example="at", group=Group.INPUT
    )
    time_windows: int = option(
        "Windows of time, of equally many labelled rows.", default=4, formerly="windows", group=Group.ADVANCED
    )
    maximum_performance_drop: float = option(
        "Largest allowed increase of the error rate; for regression, of the mean absolute error as a share of it.",
        default=0.05,
        group=Group.LIMITS,
    )
    sample_every: int = option(
        "Read only every n-th row: faster, less certain, and the report says so first.", default=1, group=Group.ADVANCED
    )
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    include_values: bool = vocabulary.INCLUDE_VALUES.here("With it, new categories are named.", default=False)


def check_options(options: Options) -> None:
    """Refuse limits that decide nothing, and options that contradict each other."""
    problems = []
    if not 0 < options.alpha < 1:
        problems.append(f"alpha must be above 0 and below 1, got {options.alpha:g}")
    problems += _limit_problems(options)
    problems += [
        f"{name.replace('_', '-')} must be at least {least}, got {getattr(options, name)}"
        for name, least in (("psi_bins", 2), ("minimum_sample_size", 2), ("time_windows", 1), ("sample_every", 1))
        if getattr(options, name) < least
    ]
    if not options.maximum_performance_drop >= 0:
        problems.append(f"maximum-performance-drop must be at least 0, got {options.maximum_performance_drop:g}")
    problems += [f"{name} is both in features and in exclude" for name in options.features if name in options.exclude]
    if options.save_profile and options.sample_every > 1:
        problems.append("save-profile needs all rows of the reference: leave sample-every out")
    if options.save_profile and is_profile(options.reference):
        problems.append("save-profile needs a table as reference, not a profile")
    if options.save_profile and not options.save_profile.endswith(".json"):
        problems.append("save-profile must end in .json: that is how a profile is recognised")
    if not options.current and not options.save_profile:
        problems.append("current is required: The table to look at. (Or set save-profile.)")
    if options.label and (is_profile(options.reference) or not (options.current or options.save_profile)):
        problems.append("label needs the rows of the reference: set reference to a table, not to a profile")
    if options.label and options.task is Task.MULTILABEL:
        problems.append("label: sets of labels (task: multilabel) cannot be compared; leave label out")
    if problems:
        raise OptionsError(problems)


def feature_limits(options: Options) -> dict[str, Limit]:
    """Return the limits that features may have of their own, by option."""
    limits = {name: getattr(options, name) for name in PER_FEATURE}
    return {name.replace("_", "-"): limit for name, limit in limits.items()}


def _limit_problems(options: Options) -> Iterable[str]:
    """Yield limits that decide nothing, or contradict each other."""
    limits = feature_limits(options)
    for name in ("moderate", "moderate-distance", "maximum-missing-change", "maximum-unseen"):
        for feature, value in limits[name].values.items():
            if not 0 <= value < 1:
                yield f"{name}{_of(feature)} must be at least 0 and below 1, got {value:g}"
    for low, high in (("moderate", "significant"), ("moderate-distance", "significant-distance")):
        for feature in dict.fromkeys([*limits[low].values, *limits[high].values]):
            least, most = limits[low].of(feature) or 0.0, limits[high].of(feature) or 0.0
            if most < least:
                yield f"{high}{_of(feature)} must not be below {low}"
            elif not most > 0:
                yield f"{high}{_of(feature)} must be above 0"


def _of(feature: str) -> str:
    """Return the words that say which feature a limit is of; none for that of all others."""
    return "" if feature == OTHERS else f" of {feature}"


def is_profile(reference: str) -> bool:
    """Whether the reference is a profile, by itself or in a model, and no table."""
    return reference.endswith(".json") or is_model(reference)


def is_model(reference: str) -> bool:
    """Whether the reference is a registered model or a model's folder."""
    return reference.startswith("models:") or (Path(reference) / "MLmodel").is_file()
