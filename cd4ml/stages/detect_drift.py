"""Compare current data with the reference; significant drift blocks, moderate drift asks for retraining."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import nearest, option
from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.checks.drift import Limits
    from cd4ml.data.cells import Cells
    from cd4ml.data.profile import Profile
    from cd4ml.data.sources import Source
    from cd4ml.metrics.feature_drift import FeatureDrift

STAGE: Final = "detect-drift"
OUTPUTS: Final[dict[str, str]] = {
    "drift": "`true` if anything drifted, moderately or significantly, else `false`.",
    "retrain": "`true` if what was found calls for retraining, else `false`.",
    "worst-feature": "The feature that drifted most, empty if none was compared.",
}
# Where a model keeps the profile of the data that it was trained on.
PROFILE: Final = "reference-profile.json"
# Columns of the predictions table that are no features; its predictions are compared like features.
_NO_FEATURES: Final = ("row_id", "y_true", "production_y_pred", "production_y_score", "sample_weight")


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
class Options(declaration.Options):
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
    tracking_uri: str | None = option("The MLflow registry (default: MLFLOW_TRACKING_URI).")
    include_values: bool = option("Name new categories in the report; they are values of the data.", default=False)


def run(options: Options, context: Context) -> Report:
    """Compare every feature, and performance where labels exist.

    Raises:
        OptionsError: a feature is missing or has another type, the profile is damaged, or there is nothing to compare.
        UnavailableError: a table cannot be read, or the registry does not answer.
    """
    from cd4ml.data.sources import open_data

    _check_options(options)
    current = open_data(options.current, hashed=True) if options.current else None
    context.progress(f"Counting the values of {options.reference}")
    reference, source, model = _reference(options, context)
    if options.save_profile:
        from cd4ml.data import profile

        profile.write(Path(options.save_profile), reference)
    if current is None:
        return _saved(reference, options)
    digest = current.digest("current")
    if digest.sha256 == reference.data_sha256:
        raise OptionsError(f"{options.current} is the reference itself: comparing data with themselves shows nothing.")
    context.progress(f"Counting the values of {options.current}")
    counted = _count(current, reference, options)
    return replace(_report(options, reference, counted, current, source, digest), production=model)


def _check_options(options: Options) -> None:
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
    if options.save_profile and _is_profile(options.reference):
        problems.append("save-profile needs a table as reference, not a profile")
    if options.save_profile and not options.save_profile.endswith(".json"):
        problems.append("save-profile must end in .json: by that a profile is known")
    if not options.current and not options.save_profile:
        problems.append("current is required: The table to look at. (Or set save-profile.)")
    if options.label and (_is_profile(options.reference) or not options.current):
        problems.append("label needs the rows of the reference: set reference to a table, not to a profile")
    if problems:
        raise OptionsError(problems)


def _is_profile(reference: str) -> bool:
    """Whether the reference is a profile, by itself or in a model, and no table."""
    return reference.endswith(".json") or _is_model(reference)


def _is_model(reference: str) -> bool:
    """Whether the reference is a registered model or a model's folder."""
    return reference.startswith("models:") or (Path(reference) / "MLmodel").is_file()


def _reference(options: Options, context: Context) -> tuple[Profile, Source | None, ModelIdentity | None]:
    """Return the profile of the reference, read or made, the table it was made from, and the model that holds it."""
    from cd4ml.data import profile
    from cd4ml.data.sources import open_data

    if _is_model(options.reference):
        return _profile_of_model(options, context)
    if _is_profile(options.reference):
        return profile.read(Path(options.reference)), None, None
    source = open_data(options.reference, hashed=True)
    if not source.rows:
        raise OptionsError(f"{options.reference} holds no rows")
    numbers, categories = _features(options, source)
    return profile.build(source, numbers, categories, every=options.sample_every), source, None


def _profile_of_model(options: Options, context: Context) -> tuple[Profile, None, ModelIdentity]:
    """Return the profile that lies beside a model, and which model that is."""
    from cd4ml.data import profile
    from cd4ml.registry import fetch

    with tempfile.TemporaryDirectory(prefix="cd4ml-drift-") as scratch:
        target = Path(scratch) / "model"
        folder, identity = fetch(options.reference, target, tracking_uri=options.tracking_uri, environ=context.environ)
        if not (folder / PROFILE).is_file():
            raise OptionsError(
                f"{options.reference} holds no {PROFILE}",
                advice=f"Write it into the model's folder before it is registered: --save-profile <folder>/{PROFILE}.",
            )
        return profile.read(folder / PROFILE), None, identity


def _features(options: Options, source: Source) -> tuple[list[str], list[str]]:
    """Return which columns are compared as numbers and which as categories."""
    from cd4ml.data.columns import Family, family
    from cd4ml.metrics.samples import PRODUCTION, class_columns

    _known(options, source)
    aside = {*_NO_FEATURES, *options.exclude, options.label, options.time_column}
    aside |= set(class_columns(source.schema, PRODUCTION).values())
    names = list(options.features) or [name for name in source.schema if name not in aside]
    families = {name: family(source.schema[name]) for name in names}
    if not options.features:
        names = [name for name in names if families[name] not in (Family.TIME, Family.OTHER)]
    odd = [name for name in names if families[name] is Family.OTHER]
    if odd:
        raise OptionsError(f"features: {', '.join(odd)}: of a type that cannot be compared")
    if not names:
        raise OptionsError(f"{options.reference} has no column to compare")
    texts = (Family.TEXT, Family.BOOLEAN, Family.EMPTY)
    categories = [name for name in names if name in options.categorical or families[name] in texts]
    return [name for name in names if name not in categories], categories


def _known(options: Options, source: Source) -> None:
    """Refuse names of columns that the reference does not have."""
    named = [("features", options.features), ("exclude", options.exclude), ("categorical", options.categorical)]
    problems = [
        f"{option_name}: {source.path} has no column `{name}`{nearest(name, source.schema)}"
        for option_name, names in named
        for name in names
        if name not in source.schema and option_name != "exclude"
    ]
    if problems:
        raise OptionsError(problems)


def _compared(options: Options, reference: Profile) -> list[str]:
    """Return the features that are compared: all of the profile's, or those that are named."""
    from cd4ml.data.cells import NumberCells

    problems = [
        f"features: the reference has no `{name}`{nearest(name, reference.features)}"
        for name in options.features
        if name not in reference.features
    ]
    problems += [
        f"categorical: `{name}` was counted as a number in the profile; make the profile with the same option"
        for name in options.categorical
        if isinstance(reference.features.get(name), NumberCells)
    ]
    names = list(options.features) or [name for name in reference.features if name not in options.exclude]
    if problems or not names:
        raise OptionsError(problems or ["there is no feature to compare"])
    return names


def _count(current: Source, reference: Profile, options: Options) -> dict[str, Cells]:
    """Count the current values in the cells of the reference."""
    from cd4ml.data.cells import CategoryCells, count
    from cd4ml.data.columns import Family, family

    names = _compared(options, reference)
    problems = []
    for name in names:
        if name not in current.schema:
            problems.append(f"{current.path} has no column `{name}`{nearest(name, current.schema)}")
            continue
        before, now = reference.families[name], family(current.schema[name])
        if before is not now and Family.EMPTY not in (before, now):
            problems.append(f"`{name}` is of type {now} in {current.path}, but {before} in the reference")
    if problems:
        raise OptionsError(problems, advice="A column that is not meant to be compared is named in `exclude`.")
    if not current.rows:
        raise OptionsError(f"{current.path} holds no rows")
    cells = {name: reference.features[name] for name in names}
    # What the reference holds nothing of is an error whatever the current data say.
    layout = {name: None if isinstance(item, CategoryCells) else item.grid for name, item in cells.items() if item.n}
    counted = count(current, layout, every=options.sample_every)
    return {name: counted.get(name, cells[name]) for name in names}


def _saved(reference: Profile, options: Options) -> Report:
    """Return the report of a run that made a profile and compared nothing."""
    message = (
        f"The profile of {reference.rows} rows and {len(reference.features)} features is in {options.save_profile}."
    )
    return Report(
        stage=STAGE,
        checks=[Check(id="reference-profile", status=Status.PASSED, n=reference.rows, message=message)],
        summary=f"{message} Nothing was compared.",
        outputs={"drift": "false", "retrain": "false", "worst-feature": ""},
        inputs=(_reference_digest(reference, options),),
    )


def _reference_digest(reference: Profile, options: Options) -> InputDigest:
    """Return the digest of the reference's data, which a profile knows as well."""
    return InputDigest(name="reference", path=options.reference, sha256=reference.data_sha256, rows=reference.rows)


def _report(
    options: Options,
    reference: Profile,
    counted: dict[str, Cells],
    current: Source,
    source: Source | None,
    digest: InputDigest,
) -> Report:
    """Decide on what was counted."""
    from cd4ml.checks.drift import MODERATE, SIGNIFICANT, drift_checks, severity
    from cd4ml.metrics.feature_drift import feature_drift

    limits = _limits(options)
    compared: list[FeatureDrift] = []
    checks: list[Check] = _sampled(options, source is None)
    for name, cells in counted.items():
        unusable = _unusable(name, reference.features[name], cells)
        if unusable:
            checks.append(unusable)
        else:
            compared.append(feature_drift(name, reference.features[name], cells, bins=options.bins))
    compared.sort(key=lambda feature: severity(feature, limits), reverse=True)
    checks += drift_checks(compared, limits)
    if source is not None and options.label:
        from cd4ml.stages.drift_performance import performance

        checks += performance(options, source, current, list(counted), numeric=options.task is Task.REGRESSION)
    reasons = {check.reason for check in checks}
    concept = "concept-drift" in reasons
    retrain = bool(reasons & {MODERATE, SIGNIFICANT, "unseen-categories", "covariate-shift", "no-overlap"})
    drifted = bool(reasons & {MODERATE, SIGNIFICANT}) or any(check.status is Status.FAILED for check in checks)
    seen = dict.fromkeys([*(source.schema if source else ()), *current.schema])
    left_out = [name for name in seen if name not in counted]
    return Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, compared, left_out, options),
        metrics={
            "rows": {"reference": reference.rows, "current": current.rows},
            "features": {feature.name: _metrics(feature, limits) for feature in compared},
        },
        details={
            "not_compared": left_out,
            "reference_schema_sha256": reference.schema_sha256,
            "correction": str(options.correction),
        },
        outputs={
            "drift": str(drifted).lower(),
            "retrain": str(retrain and not concept).lower(),
            "worst-feature": compared[0].name if compared else "",
        },
        inputs=(_reference_digest(reference, options), digest),
    )


def _limits(options: Options) -> Limits:
    """Return the limits that the options set."""
    from cd4ml.checks.drift import Limits

    return Limits(
        moderate=options.moderate,
        significant=options.significant,
        moderate_distance=options.moderate_distance,
        significant_distance=options.significant_distance,
        maximum_missing_change=options.maximum_missing_change,
        maximum_unseen=options.maximum_unseen,
        minimum_rows=options.minimum_rows,
        alpha=options.alpha,
        correction=str(options.correction),
        fail_on_moderate=options.on_moderate is OnModerate.FAIL,
        show_values=options.include_values,
    )


def _sampled(options: Options, profile: bool) -> list[Check]:
    """Return the check that says, before all others, that not every row was looked at."""
    if options.sample_every == 1:
        return []
    tables = "the current table" if profile else "both tables"
    message = f"A sample: of {tables} one row in {options.sample_every} was looked at, as asked for."
    return [Check(id="sampled", status=Status.PASSED, reason="sampled", message=message)]


def _unusable(name: str, reference: Cells, current: Cells) -> Check | None:
    """Return the check for a feature without a usable value in one of the samples."""
    from cd4ml.checks.drift import unusable

    for sample, cells in (("reference", reference), ("current", current)):
        if not cells.n:
            return unusable(name, sample, cells.missing, cells.infinite)
    return None


def _metrics(feature: FeatureDrift, limits: Limits) -> dict[str, Any]:
    """Return a feature's numbers for the report."""
    from cd4ml.checks.drift import band

    numbers = asdict(feature)
    del numbers["name"], numbers["unseen_categories"]
    return {**numbers, "corrected_psi": feature.corrected_psi, "band": band(feature, limits) or "stable"}


def _summary(checks: Sequence[Check], compared: Sequence[FeatureDrift], left_out: list[str], options: Options) -> str:
    """Say in a few sentences what was found; first of all, that it was a sample."""
    first = f"{checks[0].message} " if options.sample_every > 1 else ""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    moderate = [check for check in checks if check.reason == "moderate-drift" and check.status is Status.PASSED]
    if blocking:
        more = f" And {len(blocking) - 1} more." if len(blocking) > 1 else ""
        text = f"{blocking[0].message}{more}"
    elif moderate:
        text = f"{moderate[0].message}" + (f" And {len(moderate) - 1} more." if len(moderate) > 1 else "")
    else:
        text = f"None of {len(compared)} features drifted."
    aside = f" Not compared: {', '.join(left_out[:10])}{' …' if len(left_out) > 10 else ''}." if left_out else ""
    return f"{first}{text}{aside}"
