"""Hold a model's metrics against thresholds, against production, and against its own training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance import METRICS, Sample, Task, UndefinedMetricError, compute
from cd4ml.metrics.performance import confusion_matrix, scores_reversed
from cd4ml.metrics.samples import PRODUCTION, Reader
from cd4ml.options import nearest, option
from cd4ml.report import Check, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
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
        "How much worse than production a metric may be; without it, every metric that some limit names may lose 0.",
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
    reader = Reader(source=options.predictions, task=options.task, positive_label=options.positive_label)
    candidate = reader.sample(frame)
    production = _production(predictions, reader, options)
    checks = [
        *_enough_rows(len(frame), "test", options),
        *_direction({"candidate": candidate, "production": production}, names, options),
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
        details=_details(candidate, options),
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
    for name in names:
        problems += _wrong_way(name, options) if name in METRICS else []
    if options.maximum_gap and not options.train_predictions:
        problems.append("maximum-gap needs train-predictions")
    if options.train_predictions and not options.maximum_gap:
        problems.append("train-predictions is set, but no maximum-gap: nothing would be decided on it")
    if options.minimum_rows < 1:
        problems.append("minimum-rows must be at least 1")
    if problems:
        raise OptionsError(problems)
    return names


def _wrong_way(name: str, options: Options) -> list[str]:
    """Refuse a limit that only good models fail; with a limit on the other side as well it is a range, and meant."""
    better = METRICS[name].greater_is_better
    if better and name in options.maximum and name not in options.minimum:
        return [f"maximum: {name} is better when greater; set minimum (or both, for a range)"]
    if not better and name in options.minimum and name not in options.maximum:
        return [f"minimum: {name} is better when smaller; set maximum (or both, for a range)"]
    return []


def _production(predictions: Predictions, reader: Reader, options: Options) -> Sample | None:
    """Return production's arrays on the same rows; None in a first release that says so."""
    columns = predictions.frame.columns
    if "production_y_pred" in columns:
        return reader.sample(predictions.frame, PRODUCTION)
    if "production_y_score" in columns or predictions.production:
        raise OptionsError(
            f"{options.predictions} is about a production model, but has no column `production_y_pred`",
            advice="Map it with columns: production_y_pred=<its name>, or score both models again.",
        )
    if options.bootstrap:
        return None
    raise OptionsError(
        f"{options.predictions} has no column `production_y_pred`: there is nothing to compare the candidate with",
        advice="Score the production model as well, or set bootstrap: true for a first release.",
    )


def _enough_rows(n: int, which: str, options: Options) -> Iterable[Check]:
    """Check that there are rows enough to decide anything."""
    enough = n >= options.minimum_rows
    yield Check(
        id="minimum-rows" if which == "test" else f"minimum-rows:{which}",
        status=Status.PASSED if enough else Status.INCONCLUSIVE,
        reason=None if enough else "too-few-rows",
        metric="rows",
        value=n,
        limit=options.minimum_rows,
        n=n,
        message=f"There are {n} {which} rows; at least {options.minimum_rows} are needed to decide.",
        advice=None if enough else f"Add at least {options.minimum_rows - n} {which} rows.",
    )


def _direction(samples: Mapping[str, Sample | None], names: Sequence[str], options: Options) -> Iterable[Check]:
    """Check that scores rise with decisions, where a limit is about scores."""
    if options.task is not Task.BINARY or not any(METRICS[name].needs_score for name in names):
        return
    for model, sample in samples.items():
        if sample is not None and scores_reversed(sample):
            yield Check(
                id=f"score-direction:{model}",
                status=Status.ERROR,
                reason="scores-reversed",
                n=len(sample.y_true),
                message=f"The {model}'s scores are higher where it decides against the positive class.",
                advice="Set the same positive-label here and in score-model: the score is that class's probability.",
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
    for name in names:
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
    trained = read_predictions(Path(options.train_predictions), columns=_own(options))
    if trained.digest.sha256 == tested.digest.sha256:
        raise OptionsError(f"{options.train_predictions} is the same table as {options.predictions}: no gap can show")
    if trained.test_data and tested.test_data and trained.test_data.sha256 == tested.test_data.sha256:
        raise OptionsError("training and test predictions were made from the same rows: no gap can show")
    if trained.candidate and tested.candidate and trained.candidate.sha256 != tested.candidate.sha256:
        raise OptionsError(f"{options.train_predictions} was made by another model than {options.predictions}")
    reader = Reader(source=options.train_predictions, task=options.task, positive_label=options.positive_label)
    train = reader.sample(trained.frame)
    yield from _enough_rows(len(train.y_true), "training", options)
    for name, limit in options.maximum_gap.items():
        try:
            values = compute(name, train), compute(name, candidate)
        except UndefinedMetricError as error:
            yield threshold.undefined(f"gap:{name}", name, str(error), len(train.y_true))
        else:
            better = METRICS[name].greater_is_better
            yield threshold.gap(name, *values, limit, len(candidate.y_true), greater_is_better=better)


def _own(options: Options) -> dict[str, str]:
    """Return the candidate's columns: a table of training rows has none of production."""
    return {name: own for name, own in options.columns.items() if not name.startswith(PRODUCTION)}


def _details(candidate: Sample, options: Options) -> dict[str, Any]:
    """Return the confusion matrix and how often each class occurs."""
    if options.task is Task.REGRESSION:
        return {}
    counts = {str(label): count for label, count in sorted(Counter(candidate.y_true.tolist()).items())}
    positive = {"positive_label": options.positive_label or "1"} if options.task is Task.BINARY else {}
    return {**positive, "class_counts": counts, "confusion_matrix": confusion_matrix(candidate, options.task)}


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

    digests: list[Any] = [predictions.digest, *([predictions.test_data] if predictions.test_data else [])]
    if options.maximum_gap and options.train_predictions:
        digests.append(digest(Path(options.train_predictions), "train-predictions"))
    return digests


def _summary(checks: Sequence[Check], n: int) -> str:
    """Say in one or two sentences what was found."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if not blocking:
        return f"Every metric meets its limits on {n} rows."
    return blocking[0].message if len(blocking) == 1 else f"{blocking[0].message} And {len(blocking) - 1} more."
