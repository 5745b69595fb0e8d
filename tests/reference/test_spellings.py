"""Other libraries' names of metrics mean the same numbers here."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as library

from cd4ml.metrics.performance.catalogue import METRICS, SPELLINGS
from cd4ml.metrics.performance.estimates import estimate
from cd4ml.metrics.performance.metric import Needs, Sample, Task

FUNCTIONS = {
    spelling: METRICS[name]
    for spelling, name in SPELLINGS.items()
    # scikit-learn's `auc` is the area under any curve, which nobody means by a limit on it.
    if hasattr(library, spelling)
    and spelling not in METRICS[name].synonyms
    and METRICS[name].tasks & {Task.BINARY, Task.REGRESSION}
}


@pytest.mark.parametrize("spelling", sorted(FUNCTIONS))
def test_spelling__function_of_scikit_learn(spelling: str) -> None:
    """A metric named as a function of scikit-learn has that function's value."""
    metric, generator = FUNCTIONS[spelling], np.random.default_rng(1)
    if Task.REGRESSION in metric.tasks:
        y_true = generator.uniform(2, 8, 200)
        sample = Sample(y_true=y_true, y_pred=y_true + generator.normal(0, 0.5, 200))
    else:
        y_score = generator.random(200)
        sample = Sample(y_true=generator.integers(0, 2, 200), y_pred=(y_score > 0.5).astype(int), y_score=y_score)
    given = sample.y_pred if metric.needs is Needs.DECISIONS else sample.y_score

    expected = getattr(library, spelling)(sample.y_true, given)
    assert estimate(metric, sample).value == pytest.approx(expected, rel=1e-12)


def test_aliases__known_to_scikit_learn() -> None:
    """Every alias is a function or a scorer of scikit-learn: none is made up here."""
    aliases = {alias for metric in METRICS.values() for alias in metric.aliases}

    assert {name for name in aliases if not hasattr(library, name)} <= {*library.get_scorer_names()}


def test_spellings__one_metric_each() -> None:
    """No spelling stands for two metrics, and every metric can be written with underscores."""
    spellings = [spelling for metric in METRICS.values() for spelling in metric.spellings]

    assert len(spellings) == len({*spellings})
    assert {name.replace("-", "_") for name in METRICS} <= {*SPELLINGS}
