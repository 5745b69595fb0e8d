"""The numbers of evaluate-model's report: values, intervals, comparisons, the confusion matrix and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from cd4ml.metrics.performance.curves import curves
from cd4ml.metrics.performance.evaluation import Evaluation
from cd4ml.metrics.performance.labels import confusion_matrix
from cd4ml.metrics.performance.metric import Sample, Task
from cd4ml.metrics.performance.multilabel import members
from cd4ml.metrics.performance.slice_search import Search
from cd4ml.stages.evaluate_model.options import Options

# Slices that the search found are shown up to this number; all are counted.
_MOST_SHOWN: Final = 50


def metrics_of(whole: Evaluation, parts: Sequence[Evaluation], search: Search | None, compared: bool) -> dict[str, Any]:
    """Return the numbers of the report."""
    found: dict[str, Any] = {"rows": whole.n, **_values(whole, compared)}
    if parts:
        found["slices"] = [{"slice": dict(part.slice), "rows": part.n, **_values(part, compared)} for part in parts]
    if search:
        found["slice_search"] = _searched(search)
    return found


def _searched(search: Search) -> dict[str, Any]:
    """Return what was searched and which slices are shown to be worse, worst first."""
    return {
        "metric": search.metric,
        "columns": {name: list(parts) for name, parts in search.columns.names.items()},
        "skipped": dict(search.columns.skipped),
        "depth": search.depth,
        "minimum_rows": search.minimum_rows,
        "slices_tested": search.tested,
        "slices_too_small": search.too_small,
        "slices_worse": len(search.found),
        "worst": [
            {
                "slice": dict(one.slice),
                "rows": one.n,
                "candidate": one.value,
                "other_rows": one.elsewhere,
                "production": one.production,
                "difference": one.difference,
                "interval": one.interval,
                "p_adjusted": one.p_value,
            }
            for one in search.found[:_MOST_SHOWN]
        ],
    }


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


def details_of(candidate: Sample, production: Sample | None, options: Options) -> dict[str, Any]:
    """Return the confusion matrix, how often each class occurs, and the curves of the scores."""
    if options.task is Task.REGRESSION:
        return {}
    if options.task is Task.MULTILABEL:
        return {"label_counts": _label_counts(candidate)}
    positive = {"positive_label": candidate.names[1]} if candidate.names else {}
    found = {
        **positive,
        "class_counts": _class_counts(candidate),
        "confusion_matrix": confusion_matrix(candidate, options.task),
    }
    if production is not None:
        found["production_confusion_matrix"] = confusion_matrix(production, options.task)
    curves = {
        model: _curves(sample)
        for model, sample in (("candidate", candidate), ("production", production))
        if options.task is Task.BINARY and sample is not None and sample.y_score is not None
    }
    return {**found, "curves": curves} if curves else found


def _class_counts(sample: Sample) -> dict[str, int]:
    """Return the rows of each class that occurs among the true values."""
    found, counts = np.unique(sample.y_true, return_counts=True)
    labels = sample.labels or sample.names
    names = found.tolist() if labels is None else [labels[int(index)] for index in found.tolist()]
    return {str(name): count for name, count in zip(names, counts.tolist(), strict=True)}


def _label_counts(sample: Sample) -> dict[str, int]:
    """Return the rows that have each label."""
    assert sample.labels is not None
    labels, member = members(sample.labels)
    rows = np.bincount(sample.y_true.astype(np.intp), minlength=len(sample.labels))
    return dict(zip(labels, (rows @ member).tolist(), strict=True))


def _curves(sample: Sample) -> dict[str, Any] | None:
    """Return the curves of the scores, None where there is one class only."""
    return curves(sample) if (sample.y_true != sample.y_true[0]).any() else None
