"""What detect-drift can be told, and what of it would decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cd4ml.data.dialect import TableOptions
from cd4ml.errors import OptionsError
from cd4ml.options import option


class OnModerate(StrEnum):
    """What moderate drift does."""

    WARN = "warn"
    FAIL = "fail"


class Correction(StrEnum):
    """How the tests of all features are taken together."""

    HOLM = "holm"
    BENJAMINI_HOCHBERG = "benjamini-hochberg"


class Task(StrEnum):
    """What the predictions are."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of detect-drift."""

    reference: str = option(
        "What to compare with: a table (Parquet, CSV or Arrow), a profile (.json) that save-profile wrote, or the "
        "model that holds one as reference-profile.json: models:/NAME@ALIAS, models:/NAME/VERSION or its folder.",
        required=True,
        example="models:/credit@champion",
    )
    current: str | None = option(
        "The table to look at. Without one, save-profile makes the profile and nothing is compared.",
        example="data/today.parquet",
    )
    features: tuple[str, ...] = option(
        "Columns to compare, predictions among them (default: every column that can be compared).",
        example="age, income, y_score",
    )
    exclude: tuple[str, ...] = option("Columns to leave out, such as identifiers.", example="customer_id")
    categorical: tuple[str, ...] = option(
        "Columns of numbers that are categories; texts and booleans always are.", example="postcode"
    )
    moderate: float = option("PSI from which drift is moderate.", default=0.10)
    significant: float = option("PSI above which drift is significant and blocks.", default=0.25)
    moderate_distance: float = option("Kolmogorov-Smirnov distance from which drift is moderate.", default=0.08)
    significant_distance: float = option("Kolmogorov-Smirnov distance from which drift is significant.", default=0.20)
    on_moderate: OnModerate = option(
        "What moderate drift does: `warn` passes and asks for retraining, `fail` blocks.", default=OnModerate.WARN
    )
    bins: int = option("Quantile bins of the reference for the PSI of numbers.", default=10)
    maximum_missing_change: float = option(
        "Largest allowed change in the share of rows without a usable value.", default=0.05
    )
    maximum_unseen: float = option(
        "Largest allowed share of rows in categories that the reference does not have.", default=0.01
    )
    minimum_rows: int = option("Usable values of a feature below which nothing is decided.", default=100)
    alpha: float = option("Chance of any false alarm, over all features.", default=0.05)
    correction: Correction = option("How the tests of all features are taken together.", default=Correction.HOLM)
    save_profile: str | None = option(
        "Where to write the profile of the reference, to compare with later.", example="model/reference-profile.json"
    )
    label: str | None = option(
        "Column of delayed labels; where it is set, performance on the labelled rows is compared.", example="y_true"
    )
    prediction: str = option("Column of predictions that labels are compared with.", default="y_pred")
    task: Task = option("What the predictions are, for comparing them with labels.", default=Task.CLASSIFICATION)
    time_column: str | None = option("Column that orders the current rows, to look at windows of time.", example="at")
    windows: int = option("Windows of time, of equally many labelled rows.", default=4)
    maximum_performance_drop: float = option(
        "Largest allowed increase of the error rate; for regression, of the mean absolute error as a share of it.",
        default=0.05,
    )
    sample_every: int = option(
        "Look at every n-th row only: faster, less sure, and the report says so first.", default=1
    )
    tracking_uri: str | None = option(
        "MLflow's server (default: MLFLOW_TRACKING_URI); where MLFLOW_REGISTRY_URI is set, it names the registry."
    )
    include_values: bool = option("Name new categories in the report; they are values of the data.", default=False)


def check_options(options: Options) -> None:
    """Refuse limits that decide nothing, and options that contradict each other."""
    problems = []
    for name in ("moderate", "moderate_distance", "alpha", "maximum_missing_change", "maximum_unseen"):
        if not 0 <= getattr(options, name) < 1:
            problems.append(f"{name.replace('_', '-')} must be at least 0 and below 1, got {getattr(options, name):g}")
    if options.alpha == 0:
        problems.append("alpha must be above 0, got 0")
    for low, high in (("moderate", "significant"), ("moderate_distance", "significant_distance")):
        if getattr(options, high) < getattr(options, low):
            problems.append(f"{high.replace('_', '-')} must not be below {low.replace('_', '-')}")
    problems += [
        f"{name.replace('_', '-')} must be at least {least}, got {getattr(options, name)}"
        for name, least in (("bins", 2), ("minimum_rows", 2), ("windows", 1), ("sample_every", 1))
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
        problems.append("save-profile must end in .json: by that a profile is known")
    if not options.current and not options.save_profile:
        problems.append("current is required: The table to look at. (Or set save-profile.)")
    if options.label and (is_profile(options.reference) or not options.current):
        problems.append("label needs the rows of the reference: set reference to a table, not to a profile")
    if problems:
        raise OptionsError(problems)


def is_profile(reference: str) -> bool:
    """Whether the reference is a profile, by itself or in a model, and no table."""
    return reference.endswith(".json") or is_model(reference)


def is_model(reference: str) -> bool:
    """Whether the reference is a registered model or a model's folder."""
    return reference.startswith("models:") or (Path(reference) / "MLmodel").is_file()
