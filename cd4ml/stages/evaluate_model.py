"""Hold a model's metrics against thresholds, against production, and against its own training rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance import METRICS, Sample, Task, UndefinedMetricError, compute, confusion_matrix
from cd4ml.options import nearest, option
from cd4ml.report import Check, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    import pandas as pd

    from cd4ml.data.predictions import Predictions

STAGE: Final = "evaluate-model"
OUTPUTS: Final[dict[str, str]] = {}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of evaluate-model."""

    predictions: str = option(
        "Predictions table (Parquet or CSV) with y_true, y_pred and, for comparisons, production_y_pred.",
        required=True,
        example="predictions.parquet",
    )
    task: Task = option("What the model predicts.", default=Task.BINARY)
    positive_label: str | None = option("The positive class of a binary task. Not needed where labels are 0 and 1.")
    minimum: Mapping[str, float] = option("Lowest allowed value by metric.", example="roc-auc=0.8")
    maximum: Mapping[str, float] = option("Highest allowed value by metric.", example="log-loss=0.4")
    maximum_regression: Mapping[str, float] = option(
        "How much worse than production a metric may be; every metric with a minimum or maximum may lose 0.",
        example="roc-auc=0.01",
    )
    maximum_gap: Mapping[str, float] = option(
        "How much better a metric may be on the training rows than on the test rows.", example="accuracy=0.05"
    )
    train_predictions: str | None = option("Predictions table of the training rows, for maximum-gap.")
    bootstrap: bool = option("Allow that the table has no production predictions; the report says so.", default=False)
    allow_identical: bool = option("Allow that candidate and production predict the same on every row.", default=False)
    minimum_rows: int = option("Test rows below which nothing can be decided.", default=30)
    columns: Mapping[str, str] = option(
        "Names of the table's columns where they differ from the standard ones.", example="y_pred=decision"
    )


def run(options: Options, context: Context) -> Report:
    """Compute the metrics that limits name, and decide on each.

    Raises:
        OptionsError: no limit is set, a metric is unknown or of another task, or the table cannot be judged.
        UnavailableError: the table cannot be read.
    """
    from cd4ml.data.predictions import read_predictions

    names = _check_options(options)
    predictions = read_predictions(Path(options.predictions), columns=options.columns)
    frame = predictions.frame
    context.progress(f"Evaluating {len(frame)} predictions: {', '.join(names)}")
    candidate = _sample(frame, options, "")
    production = _production(frame, options)
    checks = [
        *_enough_rows(len(frame), options),
        *_against_limits(candidate, options),
        *_against_production(candidate, production, names, options),
        *_against_training(candidate, predictions, options),
    ]
    return Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, len(frame)),
        metrics={
            "rows": len(frame),
            "candidate": _values(names, candidate),
            "production": _values(names, production) if production else None,
        },
        details={"confusion_matrix": confusion_matrix(candidate) if options.task is not Task.REGRESSION else None},
        inputs=_digests(predictions, options),
        candidate=predictions.candidate,
        production=predictions.production,
    )


def _check_options(options: Options) -> list[str]:
    """Return the metrics that limits name; refuse limits that decide nothing."""
    limits = (options.minimum, options.maximum, options.maximum_regression, options.maximum_gap)
    names = list(dict.fromkeys(name for limit in limits for name in limit))
    problems = [] if names else ["no limit is set: name at least one, e.g. minimum: accuracy=0.9"]
    for name in names:
        if name not in METRICS:
            problems.append(f"`{name}` is no metric{nearest(name, METRICS)}; there are {', '.join(METRICS)}")
        elif options.task not in METRICS[name].tasks:
            problems.append(f"`{name}` is not defined for a {options.task} task")
    for name, limit in {**options.maximum_regression, **options.maximum_gap}.items():
        if limit < 0:
            problems.append(f"the tolerance of {name} must not be negative, got {limit:g}")
    if options.maximum_gap and not options.train_predictions:
        problems.append("maximum-gap needs train-predictions")
    if options.minimum_rows < 1:
        problems.append("minimum-rows must be at least 1")
    if problems:
        raise OptionsError(problems)
    return names


def _sample(frame: pd.DataFrame, options: Options, prefix: str) -> Sample:
    """Return the arrays of the candidate (prefix "") or of production."""
    import pandas as pd

    from cd4ml.data.groups import as_binary

    y_true, y_pred = frame["y_true"], frame[f"{prefix}y_pred"]
    if options.task is Task.BINARY:
        y_true, y_pred = as_binary(y_true, y_pred, options.positive_label)
    elif options.task is Task.REGRESSION:
        for name, values in (("y_true", y_true), (f"{prefix}y_pred", y_pred)):
            if not pd.api.types.is_numeric_dtype(values):
                raise OptionsError(f"{options.predictions}: {name} must be numbers for a regression task")
    elif pd.api.types.is_float_dtype(y_pred) and not (y_pred == y_pred.round()).all():
        raise OptionsError(f"{options.predictions}: {prefix}y_pred holds scores, not classes")
    else:
        y_true, y_pred = y_true.astype(str), y_pred.astype(str)
    score, weight = f"{prefix}y_score", "sample_weight"
    if score in frame.columns and not pd.api.types.is_numeric_dtype(frame[score]):
        raise OptionsError(f"{options.predictions}: {score} must be numbers")
    return Sample(
        y_true=y_true.to_numpy(),
        y_pred=y_pred.to_numpy(),
        y_score=frame[score].to_numpy() if score in frame.columns else None,
        weight=frame[weight].to_numpy() if weight in frame.columns else None,
    )


def _production(frame: pd.DataFrame, options: Options) -> Sample | None:
    """Return production's arrays on the same rows; None in a first release that says so."""
    if "production_y_pred" in frame.columns:
        return _sample(frame, options, "production_")
    if options.bootstrap:
        return None
    raise OptionsError(
        f"{options.predictions} has no column `production_y_pred`: there is nothing to compare the candidate with",
        advice="Score the production model as well, or set bootstrap: true for a first release.",
    )


def _enough_rows(n: int, options: Options) -> Iterable[Check]:
    """Check that there are rows enough to decide anything."""
    enough = n >= options.minimum_rows
    yield Check(
        id="minimum-rows",
        status=Status.PASSED if enough else Status.INCONCLUSIVE,
        reason=None if enough else "too-few-rows",
        metric="rows",
        value=n,
        limit=options.minimum_rows,
        n=n,
        message=f"The predictions table has {n} rows; at least {options.minimum_rows} are needed to decide.",
        advice=None if enough else f"Add at least {options.minimum_rows - n} test rows.",
    )


def _against_limits(candidate: Sample, options: Options) -> Iterable[Check]:
    """Check minimum and maximum of each metric."""
    from cd4ml.checks import threshold

    n = len(candidate.y_true)
    for kind, limits, check in (
        ("minimum", options.minimum, threshold.minimum),
        ("maximum", options.maximum, threshold.maximum),
    ):
        for name, limit in limits.items():
            try:
                yield check(name, compute(name, candidate), limit, n)
            except UndefinedMetricError as error:
                yield threshold.undefined(f"{kind}:{name}", name, str(error), n)


def _against_production(
    candidate: Sample, production: Sample | None, names: Sequence[str], options: Options
) -> Iterable[Check]:
    """Check that no metric regresses, and that the two models are not one."""
    from cd4ml.checks import threshold

    n = len(candidate.y_true)
    if production is None:
        message = "First release (bootstrap): the candidate is not compared with a production model."
        yield Check(id="bootstrap", status=Status.PASSED, message=message)
        return
    yield _identical(candidate, production, options)
    gated = [name for name in names if name in {*options.minimum, *options.maximum, *options.maximum_regression}]
    for name in gated:
        tolerance = options.maximum_regression.get(name, 0.0)
        try:
            values = compute(name, candidate), compute(name, production)
        except UndefinedMetricError as error:
            yield threshold.undefined(f"regression:{name}", name, str(error), n)
        else:
            better = METRICS[name].greater_is_better
            yield threshold.regression(name, *values, tolerance, n, greater_is_better=better)


def _identical(candidate: Sample, production: Sample, options: Options) -> Check:
    """Check that candidate and production differ on some row: a comparison with itself shows nothing."""
    same = bool((candidate.y_pred == production.y_pred).all())
    if same and candidate.y_score is not None and production.y_score is not None:
        same = bool((candidate.y_score == production.y_score).all())
    n = len(candidate.y_true)
    if not same:
        message = "Candidate and production predict differently."
        return Check(id="different-predictions", status=Status.PASSED, message=message, n=n)
    message = f"Candidate and production predict the same on all {n} rows."
    if options.allow_identical:
        return Check(id="different-predictions", status=Status.PASSED, message=message, n=n)
    return Check(
        id="different-predictions",
        status=Status.FAILED,
        reason="identical-predictions",
        message=message,
        n=n,
        advice="Is production compared with itself? If the same predictions are meant, set allow-identical: true.",
    )


def _against_training(candidate: Sample, tested: Predictions, options: Options) -> Iterable[Check]:
    """Check the gap between training and test rows."""
    from cd4ml.checks import threshold
    from cd4ml.data.predictions import read_predictions

    if not options.maximum_gap or not options.train_predictions:
        return
    trained = read_predictions(Path(options.train_predictions), columns=options.columns)
    if trained.candidate and tested.candidate and trained.candidate.sha256 != tested.candidate.sha256:
        raise OptionsError(f"{options.train_predictions} was made by another model than {options.predictions}")
    train = _sample(trained.frame, options, "")
    for name, limit in options.maximum_gap.items():
        try:
            values = compute(name, train), compute(name, candidate)
        except UndefinedMetricError as error:
            yield threshold.undefined(f"gap:{name}", name, str(error), len(train.y_true))
        else:
            better = METRICS[name].greater_is_better
            yield threshold.gap(name, *values, limit, len(candidate.y_true), greater_is_better=better)


def _values(names: Sequence[str], sample: Sample) -> dict[str, float | None]:
    """Return every named metric, None where it is undefined."""
    values: dict[str, float | None] = {}
    for name in names:
        try:
            values[name] = compute(name, sample)
        except UndefinedMetricError:
            values[name] = None
    return values


def _digests(predictions: Predictions, options: Options) -> list[Any]:
    """Return the digests of the tables that were judged."""
    from cd4ml.data.tables import digest

    digests: list[Any] = [predictions.digest]
    if options.maximum_gap and options.train_predictions:
        digests.append(digest(Path(options.train_predictions), "train-predictions"))
    return digests


def _summary(checks: Sequence[Check], n: int) -> str:
    """Say in one or two sentences what was found."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if not blocking:
        return f"Every metric meets its limits on {n} rows."
    return blocking[0].message if len(blocking) == 1 else f"{blocking[0].message} And {len(blocking) - 1} more."
