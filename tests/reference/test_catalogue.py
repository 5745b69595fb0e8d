"""Every row of the catalogue of metrics is computed, compared, documented and held against an independent source."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.comparison import compare
from cd4ml.metrics.performance.measurement import measure
from cd4ml.metrics.performance.metric import Sample, Task
from tests.conftest import ROOT
from tests.reference.test_spellings import FUNCTIONS

PAGE = ROOT / "docs" / "stages" / "evaluate-model.md"
ROWS = [(metric, task) for metric in METRICS.values() for task in sorted(metric.tasks)]


def sample(task: Task, *, errors: float) -> Sample:
    """Return 300 rows of a model that is wrong as often as `errors` says."""
    generator = np.random.default_rng(7)
    n, classes = 300, 3 if task is Task.MULTICLASS else 2
    wrong = generator.random(n) < errors
    if task is Task.REGRESSION:
        numbers = generator.normal(10, 2, n)
        return Sample(y_true=numbers, y_pred=numbers + generator.normal(0, 1 + errors, n))
    y_true = generator.integers(0, 4 if task is Task.MULTILABEL else classes, n)
    if task is Task.MULTILABEL:
        y_pred = np.where(wrong, generator.integers(0, 4, n), y_true)
        return Sample(y_true=y_true, y_pred=y_pred, labels=("", "a", "a;b", "b"), sets=True)
    scores = generator.random((n, classes)) + 2 * np.eye(classes)[np.where(wrong, (y_true + 1) % classes, y_true)]
    scores = scores / scores.sum(axis=1, keepdims=True)
    y_pred = scores.argmax(axis=1)
    if task is Task.BINARY:
        return Sample(y_true=y_true, y_pred=y_pred, y_score=scores[:, 1])
    return Sample(y_true=y_true, y_pred=y_pred, labels=("a", "b", "c"), scores=scores)


@pytest.mark.parametrize(("metric", "task"), ROWS, ids=lambda part: getattr(part, "name", part))
def test_every_metric_of_every_task(metric: object, task: Task) -> None:
    """A metric of the catalogue has a value, an interval and a comparison on ordinary rows of each of its tasks."""
    row = METRICS[str(getattr(metric, "name"))]
    better, worse = (measure(row, sample(task, errors=errors)) for errors in (0.1, 0.3))

    assert row.lowest <= better.value <= (row.highest_of_classes or row.highest)
    assert better.interval is not None and better.interval.lower <= better.interval.upper
    assert row.biased or (better.value > worse.value) is row.greater_is_better
    assert math.isfinite(compare(better, worse).standard_error)


def averaged(name: str) -> str:
    """Return what a metric is an average of, as the tests and the page call it."""
    return name.removesuffix("-macro").removesuffix("-weighted")


def test_every_metric_is_documented() -> None:
    """The page of evaluate-model names every metric, as it stands or as an ending of others."""
    text = PAGE.read_text(encoding="utf-8")
    unnamed = [
        name
        for name in METRICS
        if f"`{name}`" not in text
        and not all(f"`{part}`" in text for part in (averaged(name), f"-{name.rpartition('-')[2]}"))
    ]

    assert not unnamed


def test_every_metric_has_an_independent_source() -> None:
    """Each metric is named by a test of published numbers, or held against scikit-learn's function."""
    named = {
        node.value
        for path in sorted(Path(__file__).parent.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    known = named | {metric.name for metric in FUNCTIONS.values()}

    assert not [name for name in METRICS if name not in known and averaged(name) not in known]
