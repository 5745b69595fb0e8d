"""Hold a model's metrics against thresholds, against production, and against its own training rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.checks.comparison import Decision, Rule
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance import METRICS, Metric, Sample, Task
from cd4ml.metrics.samples import PRODUCTION, Reader
from cd4ml.options import nearest, option
from cd4ml.report import Check, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.checks.evaluation import Limits
    from cd4ml.data.predictions import Predictions
    from cd4ml.metrics.evaluation import Evaluation
    from cd4ml.metrics.slices import Slice

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
    decision: Decision = option(
        "How metrics are compared with production: `point` takes the difference at its face, `no-worse-than` passes "
        "what is shown to lose less than maximum-regression, `not-significantly-worse` blocks what is shown worse.",
        default=Decision.POINT,
    )
    no_worse_than: Mapping[str, float] = option(
        "Metrics that pass only if they are shown to lose less than this, whatever decision says.",
        example="roc-auc=0.01",
    )
    not_significantly_worse: tuple[str, ...] = option(
        "Metrics that block only if they are shown to be worse, whatever decision says.", example="f1, recall"
    )
    primary_metric: str | None = option(
        "The metric that is tested alone at 5 %; the tests of the others share 5 % (Holm).", example="roc-auc"
    )
    slices: tuple[str, ...] = option(
        "Columns whose every value is held to the same limits; `region & sex` stands for each combination.",
        example="region, region & sex",
    )
    slice_bins: Mapping[str, str] = option(
        "Where numeric slice columns are cut, lower edges included.", example="age=25:40:62"
    )
    custom_metrics: Mapping[str, str] = option(
        "Metrics of your own by name, better when greater: functions of y_true, y_pred, y_score, sample_weight.",
        example="profit=my_metrics:profit",
    )
    custom_losses: Mapping[str, str] = option(
        "Metrics of your own by name, better when smaller.", example="cost=my_metrics:cost"
    )
    quantile: float = option("Which quantile of the target y_pred predicts, for quantile-loss.", default=0.5)
    seed: int = option("Seed of the bootstraps: the same seed gives the same report.", default=0)
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
    from cd4ml.checks import evaluation as checked
    from cd4ml.data.predictions import read_predictions
    from cd4ml.metrics.evaluation import evaluate

    metrics = _check_options(options, _known(options, context))
    predictions = read_predictions(Path(options.predictions), columns=options.columns, others=_cut_by(options))
    _release_memory()
    n, limits = len(predictions.frame), _limits(options, [metric.name for metric in metrics])
    context.progress(f"Evaluating {n:,} predictions: {', '.join(limits.rules)}")
    reader = _reader(options.predictions, options)
    candidate, production = reader.sample(predictions.frame), _production(predictions, reader, options)
    cut = _cut(predictions, options)
    predictions = _without_rows(predictions)
    _release_memory()
    whole = evaluate(metrics, candidate, production, task=options.task, seed=options.seed)
    parts = _slices(metrics, cut, candidate, production, options)
    checks = [
        *_enough_rows(n, "test", options),
        *_direction({"candidate": candidate, "production": production}, metrics, options),
        *_compared(candidate, production, options),
        *checked.of_all_rows(whole, limits),
        *_against_training(candidate, predictions, metrics, options),
        *checked.of_slices(parts, limits),
    ]
    return Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, n),
        metrics=_metrics(whole, parts, production is not None),
        details=_details(candidate, production, options),
        inputs=_digests(predictions, options),
        candidate=predictions.candidate,
        production=predictions.production,
        seed=options.seed,
    )


def _known(options: Options, context: Context) -> dict[str, Metric]:
    """Return every metric that limits can name: the built-in ones and the user's own."""
    own = {**options.custom_metrics, **options.custom_losses}
    twice = sorted({*own} & {*METRICS} | {*options.custom_metrics} & {*options.custom_losses})
    if twice:
        raise OptionsError(f"there is already a metric of this name: {', '.join(twice)}")
    if not own:
        return dict(METRICS)
    from cd4ml.metrics.own import load_metrics

    gains = load_metrics(options.custom_metrics, context.directory, greater_is_better=True)
    losses = load_metrics(options.custom_losses, context.directory, greater_is_better=False)
    return {**METRICS, **gains, **losses}


def _named(options: Options) -> list[str]:
    """Return the metrics that options name, in that order."""
    limits = (options.minimum, options.maximum, options.maximum_regression, options.no_worse_than)
    primary = [options.primary_metric] if options.primary_metric else []
    names = [name for limit in limits for name in limit]
    return list(dict.fromkeys([*names, *options.not_significantly_worse, *primary, *options.maximum_gap]))


def _check_options(options: Options, known: Mapping[str, Metric]) -> list[Metric]:
    """Return the metrics that limits name; refuse limits that decide nothing."""
    names = _named(options)
    problems = [] if names else ["no limit is set: name at least one, e.g. minimum: accuracy=0.9"]
    for name in names:
        if name not in known:
            problems.append(f"`{name}` is no metric{nearest(name, known)}; there are {', '.join(known)}")
        elif options.task not in known[name].tasks:
            problems.append(f"`{name}` is not defined for a {options.task} task")
        else:
            problems += [*_wrong_way(known[name], options), *_out_of_range(known[name], options)]
    for name, limit in {**options.maximum_regression, **options.maximum_gap}.items():
        if limit < 0:
            problems.append(f"the tolerance of {name} must not be negative, got {limit:g}")
    if options.maximum_gap and not options.train_predictions:
        problems.append("maximum-gap needs train-predictions")
    if options.train_predictions and not options.maximum_gap:
        problems.append("train-predictions is set, but no maximum-gap: nothing would be decided on it")
    if options.minimum_rows < 1:
        problems.append("minimum-rows must be at least 1")
    if not 0 < options.quantile < 1:
        problems.append("quantile must lie between 0 and 1")
    problems += [*_decision_problems(options, names), *_slice_problems(options)]
    if problems:
        raise OptionsError(problems)
    return [known[name] for name in names]


def _rule(name: str, options: Options) -> Rule:
    """Return how a metric is compared with production."""
    if name in options.no_worse_than:
        return Rule(decision=Decision.NO_WORSE_THAN, tolerance=options.no_worse_than[name])
    if name in options.not_significantly_worse:
        return Rule(decision=Decision.NOT_SIGNIFICANTLY_WORSE)
    return Rule(decision=options.decision, tolerance=options.maximum_regression.get(name, 0.0))


def _decision_problems(options: Options, names: Sequence[str]) -> Iterable[str]:
    """Yield what keeps comparisons from being decided as declared."""
    for name in names:
        rule, twice = _rule(name, options), name in options.no_worse_than and name in options.not_significantly_worse
        if twice:
            yield f"`{name}` stands in both no-worse-than and not-significantly-worse"
        elif rule.decision is Decision.NO_WORSE_THAN and rule.tolerance <= 0:
            yield f"no-worse-than needs a loss above 0 that {name} may have: no-worse-than: {name}=0.01"
        elif rule.decision is Decision.NO_WORSE_THAN and name == "calibration-error":
            yield "calibration-error is too great by chance alone: no-worse-than cannot hold it; take brier or log-loss"
        elif name in options.maximum_regression and rule.decision is Decision.NOT_SIGNIFICANTLY_WORSE:
            yield f"maximum-regression of {name} is not used by not-significantly-worse; take no-worse-than, or drop it"
        elif name in options.maximum_regression and name in options.no_worse_than:
            yield f"`{name}` stands in both maximum-regression and no-worse-than: which loss is allowed?"
    primary = options.primary_metric
    if primary and not _rule(primary, options).tests:
        yield f"primary-metric {primary} is compared by its point value; set decision, or name it in no-worse-than"


def _cut_by(options: Options) -> list[str]:
    """Return the columns that slices are declared by."""
    from cd4ml.metrics.slices import columns_of

    return list(dict.fromkeys(name for declared in options.slices for name in columns_of(declared)))


def _slice_problems(options: Options) -> Iterable[str]:
    """Yield what keeps slices from being cut as declared."""
    from cd4ml.metrics.slices import parsed_edges

    columns = _cut_by(options)
    for name, edges in options.slice_bins.items():
        if name not in columns:
            yield f"slice-bins: `{name}` is no column of slices{nearest(name, columns)}"
            continue
        try:
            parsed_edges(name, edges)
        except OptionsError as error:
            yield error.message


def _limits(options: Options, names: Sequence[str]) -> Limits:
    """Return what metrics are held to."""
    from cd4ml.checks.evaluation import Limits
    from cd4ml.metrics.evaluation import CLASS_FLOOR

    return Limits(
        minimum=options.minimum,
        maximum=options.maximum,
        rules={name: _rule(name, options) for name in names},
        primary=options.primary_metric,
        minimum_rows=options.minimum_rows,
        class_floor=CLASS_FLOOR,
    )


def _reader(source: str, options: Options) -> Reader:
    """Return how a table's columns are read."""
    return Reader(source=source, task=options.task, positive_label=options.positive_label, quantile=options.quantile)


def _wrong_way(metric: Metric, options: Options) -> list[str]:
    """Refuse a limit that only good models fail; with a limit on the other side as well it is a range, and meant."""
    better, name = metric.greater_is_better, metric.name
    if better and name in options.maximum and name not in options.minimum:
        return [f"maximum: {name} is better when greater; set minimum (or both, for a range)"]
    if not better and name in options.minimum and name not in options.maximum:
        return [f"minimum: {name} is better when smaller; set maximum (or both, for a range)"]
    return []


def _out_of_range(metric: Metric, options: Options) -> Iterable[str]:
    """Yield limits that no value can break or that none can meet: shares written in percent, most often."""
    low, high, name = metric.lowest, metric.highest, metric.name
    ends = {"at least": low, "at most": high}
    bounds = " and ".join(f"{word} {end:g}" for word, end in ends.items() if math.isfinite(end))
    for which, limits in (("minimum", options.minimum), ("maximum", options.maximum)):
        if name in limits and not low <= limits[name] <= high:
            yield f"{which}: {name} is {bounds}, got {limits[name]:g}"
    for which, losses in (
        ("maximum-regression", options.maximum_regression),
        ("no-worse-than", options.no_worse_than),
        ("maximum-gap", options.maximum_gap),
    ):
        if name in losses and losses[name] >= high - low:
            yield f"{which}: {name} is {bounds}: no model can lose {losses[name]:g}, so nothing would be decided"


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


def _direction(samples: Mapping[str, Sample | None], metrics: Sequence[Metric], options: Options) -> Iterable[Check]:
    """Check that scores rise with decisions, where a limit is about scores."""
    from cd4ml.metrics.ranking import scores_reversed

    if options.task is not Task.BINARY or not any(metric.needs_score for metric in metrics):
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


def _compared(candidate: Sample, production: Sample | None, options: Options) -> Iterable[Check]:
    """Check that there are two models to compare, or a first release that says so."""
    if production is None:
        message = "First release (bootstrap): the candidate is not compared with a production model."
        yield Check(id="bootstrap", status=Status.PASSED, message=message)
    else:
        yield _identical(candidate, production, options)


def _without_rows(predictions: Predictions) -> Predictions:
    """Return what the table says on its models alone: the samples hold all that is needed of the rows."""
    return replace(predictions, frame=predictions.frame.iloc[:0, :0])


def _release_memory() -> None:
    """Give back what the table took: Arrow keeps what is freed until it is told."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _cut(predictions: Predictions, options: Options) -> list[Slice]:
    """Return the slices that are declared."""
    if not options.slices:
        return []
    from cd4ml.metrics.slices import slices

    return slices(predictions.frame, options.slices, options.slice_bins)


def _slices(
    metrics: Sequence[Metric],
    cut: Sequence[Slice],
    candidate: Sample,
    production: Sample | None,
    options: Options,
) -> list[Evaluation]:
    """Evaluate every slice."""
    from cd4ml.metrics.evaluation import evaluate

    found = []
    for part in cut:
        rows = part.rows
        own, other = candidate.rows(rows), production.rows(rows) if production else None
        found.append(evaluate(metrics, own, other, task=options.task, seed=options.seed, slice=part.values))
    return found


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


def _against_training(
    candidate: Sample, tested: Predictions, metrics: Sequence[Metric], options: Options
) -> Iterable[Check]:
    """Check the gap between training and test rows."""
    from cd4ml.checks.evaluation import of_gap
    from cd4ml.metrics.evaluation import gap_of

    if not options.maximum_gap or not options.train_predictions:
        return
    train = _reader(options.train_predictions, options).sample(_trained(tested, options).frame)
    yield from _enough_rows(len(train.y_true), "training", options)
    for metric in metrics:
        if metric.name in options.maximum_gap:
            found = gap_of(metric, train, candidate, options.seed)
            yield of_gap(found, options.maximum_gap[metric.name], len(candidate.y_true))


def _trained(tested: Predictions, options: Options) -> Predictions:
    """Return the training predictions; refuse those in which no gap could show."""
    from cd4ml.data.predictions import read_predictions

    path = options.train_predictions
    assert path is not None
    trained = read_predictions(Path(path), columns=_own(options), others=())
    if trained.digest.sha256 == tested.digest.sha256:
        raise OptionsError(f"{path} is the same table as {options.predictions}: no gap can show")
    if trained.test_data and tested.test_data and trained.test_data.sha256 == tested.test_data.sha256:
        raise OptionsError("training and test predictions were made from the same rows: no gap can show")
    if trained.candidate and tested.candidate and trained.candidate.sha256 != tested.candidate.sha256:
        raise OptionsError(f"{path} was made by another model than {options.predictions}")
    return trained


def _own(options: Options) -> dict[str, str]:
    """Return the candidate's columns: a table of training rows has none of production."""
    return {name: own for name, own in options.columns.items() if not name.startswith(PRODUCTION)}


def _details(candidate: Sample, production: Sample | None, options: Options) -> dict[str, Any]:
    """Return the confusion matrix, how often each class occurs, and the curves of the scores."""
    from cd4ml.metrics.labels import confusion_matrix

    if options.task is Task.REGRESSION:
        return {}
    positive = {"positive_label": options.positive_label or "1"} if options.task is Task.BINARY else {}
    found = {
        **positive,
        "class_counts": _class_counts(candidate),
        "confusion_matrix": confusion_matrix(candidate, options.task),
    }
    curves = {
        model: _curves(sample)
        for model, sample in (("candidate", candidate), ("production", production))
        if options.task is Task.BINARY and sample is not None and sample.y_score is not None
    }
    return {**found, "curves": curves} if curves else found


def _class_counts(sample: Sample) -> dict[str, int]:
    """Return the rows of each class that occurs among the true values."""
    import numpy as np

    found, counts = np.unique(sample.y_true, return_counts=True)
    names = found.tolist() if sample.labels is None else [sample.labels[index] for index in found.tolist()]
    return {str(name): count for name, count in zip(names, counts.tolist(), strict=True)}


def _curves(sample: Sample) -> dict[str, Any] | None:
    """Return the curves of the scores, None where there is one class only."""
    from cd4ml.metrics.curves import curves

    return curves(sample) if (sample.y_true != sample.y_true[0]).any() else None


def _metrics(whole: Evaluation, parts: Sequence[Evaluation], compared: bool) -> dict[str, Any]:
    """Return the numbers of the report."""
    found: dict[str, Any] = {"rows": whole.n, **_values(whole, compared)}
    if parts:
        found["slices"] = [{"slice": dict(part.slice), "rows": part.n, **_values(part, compared)} for part in parts]
    return found


def _values(evaluation: Evaluation, compared: bool) -> dict[str, Any]:
    """Return every metric of both models with its interval, None where it is undefined, and the comparisons."""
    results = evaluation.results
    found: dict[str, Any] = {
        "candidate": {name: result.candidate.value for name, result in results.items()},
        "production": {n: r.production.value for n, r in results.items() if r.production} if compared else None,
        "intervals": {name: result.candidate.interval for name, result in results.items()},
    }
    if compared:
        found["comparisons"] = {
            name: {
                "difference": result.comparison.difference,
                "standard_error": result.comparison.standard_error,
                "interval": result.comparison.interval,
                "p_worse": result.comparison.p_worse,
                "detectable_loss": result.comparison.detectable,
            }
            for name, result in results.items()
            if result.comparison
        }
    return found


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
