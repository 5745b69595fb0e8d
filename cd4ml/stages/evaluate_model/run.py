"""Hold a model's metrics against thresholds, against production, and against its own training rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.performance import evaluation as checked
from cd4ml.checks.performance.predictions import (
    different_predictions_check,
    first_release_check,
    minimum_rows_check,
    score_direction_checks,
)
from cd4ml.checks.performance.slice_search import search_checks
from cd4ml.context import Context
from cd4ml.data.predictions.opening import open_predictions
from cd4ml.data.predictions.table import EVERY, PRODUCTION, Predictions, is_standard, read_predictions
from cd4ml.data.tables.table import Table
from cd4ml.errors import OptionsError
from cd4ml.evidence.scored import refuse_changed
from cd4ml.metrics.performance import cost_matrix
from cd4ml.metrics.performance.evaluation import Evaluation, evaluate, gap_of
from cd4ml.metrics.performance.metric import Metric, Needs, Sample, Task
from cd4ml.metrics.performance.samples import Reader
from cd4ml.metrics.performance.slice_columns import Columns, searchable
from cd4ml.metrics.performance.slice_search import Search, search
from cd4ml.metrics.performance.slices import Slice, slices
from cd4ml.report import Check, InputDigest, Report, headline
from cd4ml.stages.evaluate_model.churn import churn_numbers, churned, limited
from cd4ml.stages.evaluate_model.costs import cost_checks
from cd4ml.stages.evaluate_model.effective_rows import counted_rows
from cd4ml.stages.evaluate_model.limits import checked_metrics, limits_of, slice_columns
from cd4ml.stages.evaluate_model.names import known_metrics, with_own_names
from cd4ml.stages.evaluate_model.numbers import details_of, metrics_of
from cd4ml.stages.evaluate_model.options import Options
from cd4ml.stages.evaluate_model.preflight import nothing_to_compare

STAGE: Final = "evaluate-model"


def run(options: Options, context: Context) -> Report:
    """Compute the metrics that limits name, and decide on each.

    Raises:
        OptionsError: no limit is set, a metric is unknown or of another task, or the table cannot be judged.
        UnavailableError: the table cannot be read.
    """
    options = with_own_names(options)
    metrics = checked_metrics(options, known_metrics(options, context))
    others, training = slice_columns(options), _training(options)
    context.progress(f"Reading {options.predictions}")
    table = open_predictions(options.predictions, reading=options.reading)
    predictions = read_predictions(table, columns=options.columns, others=others)
    refuse_changed(predictions, context.reports, more=_training_digest(training))
    _release_memory()
    n, limits = len(predictions.frame), limits_of(options, [metric.name for metric in metrics])
    context.progress(f"Evaluating {n:,} predictions by {', '.join(limits.rules)}")
    counted = counted_rows(options, context.reports, predictions, n)
    reader = replace(_reader(options.predictions, options), design_effect=counted.design_effect)
    candidate, production = reader.sample(predictions.frame), _production(predictions, reader, options)
    metrics = [_priced(metric, candidate, options) for metric in metrics]
    cut, searched = _cut(predictions, options), _searchable(predictions, options)
    predictions = _without_rows(predictions)
    _release_memory()
    whole = evaluate(metrics, candidate, production, task=options.task, seed=options.seed)
    if cut:
        context.progress("Evaluating the slices")
    parts = _slices(metrics, cut, candidate, production, options)
    changed = churned(candidate, production, cut, options)
    if searched:
        context.progress("Searching for slices that are worse")
    search = _search(searched, candidate, production, options) if searched else None
    checks = [
        minimum_rows_check(n, options.minimum_test_rows),
        *([counted.check] if counted.check else []),
        *_direction({"candidate": candidate, "production": production}, metrics, options),
        _compared(candidate, production, options),
        *checked.metric_checks(whole, limits),
        *_against_training(candidate, predictions, training, metrics, options),
        *checked.slice_checks(parts, limits),
        *limited(changed, options),
        *(cost_checks(options, predictions) if production is not None else ()),
        *(search_checks(search, options.maximum_slice_gap) if search else ()),
    ]
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, n, production is not None),
        metrics=metrics_of(whole, parts, search, production is not None) | churn_numbers(changed),
        details=details_of(candidate, production, options),
        inputs=_digests(predictions, training),
        candidate=predictions.candidate,
        production=predictions.production,
        seed=options.seed,
    )
    return remarked(report, options.reading)


def _reader(source: str, options: Options) -> Reader:
    """Return how a table's columns are read."""
    return Reader(source=source, task=options.task, positive_label=options.positive_label, quantile=options.quantile)


def _priced(metric: Metric, candidate: Sample, options: Options) -> Metric:
    """Return the metric, that of costs for the classes of the table."""
    if metric.name != cost_matrix.NAME or not options.decision_costs:
        return metric
    return cost_matrix.priced(metric, cost_matrix.declared(options.decision_costs, options.task), candidate.labels)


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
    raise nothing_to_compare(options)


def _direction(samples: Mapping[str, Sample | None], metrics: Sequence[Metric], options: Options) -> Iterable[Check]:
    """Check that scores rise with decisions, where a limit is about scores."""
    if options.task is Task.REGRESSION or all(metric.needs is Needs.DECISIONS for metric in metrics):
        return ()
    return score_direction_checks(samples, binary=options.task is Task.BINARY)


def _compared(candidate: Sample, production: Sample | None, options: Options) -> Check:
    """Check that there are two models to compare, or a first release that says so."""
    if production is None:
        return first_release_check()
    return different_predictions_check(candidate, production, allow_identical=options.allow_identical)


def _without_rows(predictions: Predictions) -> Predictions:
    """Return what the table says on its models alone: the samples hold all that is needed of the rows."""
    return replace(predictions, frame=predictions.frame.iloc[:0, :0])


def _release_memory() -> None:
    """Give back what the table took: Arrow keeps what is freed until it is told."""
    pa.default_memory_pool().release_unused()


def _cut(predictions: Predictions, options: Options) -> list[Slice]:
    """Return the slices that are declared."""
    if not options.slices:
        return []

    return slices(predictions.frame, options.slices, options.slice_bins)


def _searchable(predictions: Predictions, options: Options) -> Columns | None:
    """Return the columns that are searched for bad slices, None if none is asked for."""
    if not options.slice_search:
        return None

    found = [name for name in map(str, predictions.frame.columns) if not is_standard(name)]
    everything = EVERY in options.slice_search
    names = found if everything else list(dict.fromkeys(options.slice_search))
    return searchable(predictions.frame, names, options.slice_bins, strict=not everything)


def _search(columns: Columns, candidate: Sample, production: Sample | None, options: Options) -> Search:
    """Search for bad slices."""
    return search(
        columns,
        candidate,
        production,
        numeric=options.task is Task.REGRESSION,
        depth=options.slice_search_depth,
        minimum_rows=options.slice_search_minimum_rows,
    )


def _slices(
    metrics: Sequence[Metric],
    cut: Sequence[Slice],
    candidate: Sample,
    production: Sample | None,
    options: Options,
) -> list[Evaluation]:
    """Evaluate every slice."""
    found = []
    for part in cut:
        rows = part.rows
        own, other = candidate.rows(rows), production.rows(rows) if production else None
        found.append(evaluate(metrics, own, other, task=options.task, seed=options.seed, slice=part.values))
    return found


def _against_training(
    candidate: Sample, tested: Predictions, training: Table | None, metrics: Sequence[Metric], options: Options
) -> Iterable[Check]:
    """Check the gap between training and test rows."""
    if training is None:
        return
    train = _reader(training.name, options).sample(_trained(training, tested, options).frame)
    yield minimum_rows_check(len(train.y_true), options.minimum_test_rows, which="training")
    for metric in metrics:
        if metric.name in options.maximum_gap:
            found = gap_of(metric, train, candidate, options.seed)
            yield checked.gap_check(found, options.maximum_gap[metric.name], len(candidate.y_true))


def _training(options: Options) -> Table | None:
    """Return the table of training predictions, if a gap is limited."""
    if not (options.maximum_gap and options.train_predictions):
        return None
    return open_predictions(options.train_predictions, reading=options.reading)


def _trained(table: Table, tested: Predictions, options: Options) -> Predictions:
    """Return the training predictions; refuse those in which no gap could show."""
    path = table.name
    trained = read_predictions(table, columns=_own(options), others=())
    if trained.digest.sha256 == tested.digest.sha256:
        raise OptionsError(f"{path} is the same table as {options.predictions}: a gap could not show")
    if trained.test_data and tested.test_data and trained.test_data.sha256 == tested.test_data.sha256:
        raise OptionsError("training and test predictions were made from the same rows: a gap could not show")
    if trained.candidate and tested.candidate and trained.candidate.sha256 != tested.candidate.sha256:
        raise OptionsError(f"{path} was made by another model than {options.predictions}")
    return trained


def _own(options: Options) -> dict[str, str]:
    """Return the candidate's columns: a table of training rows has none of production."""
    return {name: own for name, own in options.columns.items() if not name.startswith(PRODUCTION)}


def _digests(predictions: Predictions, training: Table | None) -> list[Any]:
    """Return the digests of the tables that were judged."""
    about = [predictions.test_data] if predictions.test_data else []
    return [predictions.digest, *about, *_training_digest(training)]


def _training_digest(training: Table | None) -> list[InputDigest]:
    """Return the digest of the predictions on training rows, if they are judged."""
    return [training.digest("train-predictions")] if training else []


def _summary(checks: Sequence[Check], n: int, compared: bool) -> str:
    """Say in one or two sentences what was found."""
    than = " and loses no more against production than allowed" if compared else ""
    return headline(checks) or f"The candidate meets every limit on {n:,} test rows{than}."
