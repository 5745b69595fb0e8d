"""The promises of the decision modes, by simulation: 1,000 pairs of models each, with fixed seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cd4ml.checks.performance.comparison import Support, comparison_check
from cd4ml.checks.performance.rule import Decision, Rule
from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.comparison import compare
from cd4ml.metrics.performance.measurement import measure
from cd4ml.metrics.performance.metric import Sample
from cd4ml.report import Status
from tests.stages.evaluate_model.models import pair

PAIRS = 1_000
# 99 % binomial band of 1,000 runs at 5 %.
BAND = (0.033, 0.069)


def samples(frame: pd.DataFrame) -> tuple[Sample, Sample]:
    """Return candidate and production."""
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    return (
        Sample(y_true=columns["y_true"], y_pred=columns["y_pred"], y_score=columns["y_score"]),
        Sample(y_true=columns["y_true"], y_pred=columns["production_y_pred"], y_score=columns["production_y_score"]),
    )


def share(
    name: str,
    rule: Rule,
    n: int,
    status: Status,
    *,
    loss: float = 0.0,
    levels: int | None = None,
    pairs: int = PAIRS,
) -> float:
    """Return how often a verdict comes about."""
    metric, found = METRICS[name], 0
    for seed in range(pairs):
        candidate, production = samples(pair(n, loss=loss, levels=levels, seed=1_000_003 * (n + 1) + seed))
        compared = compare(measure(metric, candidate, seed), measure(metric, production, seed))
        positives = int(candidate.y_true.astype(int).sum())
        support = Support(n=n, smaller_class=min(positives, n - positives), minimum_rows=30, class_floor=0)
        found += comparison_check(rule, compared, support).status is status
    return found / pairs


TESTED = Rule(decision=Decision.NOT_SIGNIFICANTLY_WORSE)


@pytest.mark.parametrize(
    ("name", "n"),
    [("roc-auc", 200), ("roc-auc", 1_000), ("accuracy", 200), ("accuracy", 1_000), ("f1", 200), ("brier", 200)],
)
def test_equal_models__blocked_in_5_of_100(name: str, n: int) -> None:
    """`not-significantly-worse` blocks a model that is as good as production in 3.3 to 6.9 % of cases."""
    assert BAND[0] <= share(name, TESTED, n, Status.FAILED) <= BAND[1]


def test_equal_models__large_samples() -> None:
    """The same at 20,000 rows, for the metric whose rows are sorted; 300 pairs, so a wider band."""
    assert 0.02 <= share("roc-auc", TESTED, 20_000, Status.FAILED, pairs=300) <= 0.09


def test_equal_models__ties() -> None:
    """The same where ten different scores are all there are."""
    assert BAND[0] <= share("roc-auc", TESTED, 1_000, Status.FAILED, levels=10) <= BAND[1]


@pytest.mark.parametrize("name", ["roc-auc", "accuracy", "log-loss"])
def test_true_loss_of_the_margin__passes_in_5_of_100(name: str) -> None:
    """`no-worse-than` passes a model that truly loses the margin in at most 6.5 % of cases."""
    candidate, production = samples(pair(2_000_000, loss=0.1, seed=1))
    margin = measure(METRICS[name], production).value - measure(METRICS[name], candidate).value
    rule = Rule(decision=Decision.NO_WORSE_THAN, tolerance=margin)

    assert share(name, rule, 500, Status.PASSED, loss=0.1) <= 0.065


def test_two_points_worse__always_blocked() -> None:
    """A model whose ROC AUC is 2 points worse is blocked at 20,000 rows, every time, in both modes."""
    for rule in (TESTED, Rule(decision=Decision.NO_WORSE_THAN, tolerance=0.005)):
        for seed in range(30):
            candidate, production = samples(pair(20_000, loss=0.1, seed=seed))
            compared = compare(measure(METRICS["roc-auc"], candidate), measure(METRICS["roc-auc"], production))
            support = Support(n=20_000, smaller_class=5_000, minimum_rows=30, class_floor=50)
            assert comparison_check(rule, compared, support).status is Status.FAILED


def test_point__blocks_half_of_equal_models() -> None:
    """Why there are other modes: `point` with a tolerance of 0 blocks every second model that is as good."""
    rule = Rule(decision=Decision.POINT)

    assert 0.4 < share("roc-auc", rule, 500, Status.FAILED) < 0.6


def test_intervals__cover() -> None:
    """The two-sided interval of a single value holds the true one in 93 to 97 % of 1,000 samples of 500 rows."""
    truth, _ = samples(pair(2_000_000, seed=1))
    for name in ("roc-auc", "pr-auc", "accuracy", "brier", "log-loss"):
        value, held = measure(METRICS[name], truth).value, 0
        for seed in range(PAIRS):
            interval = measure(METRICS[name], samples(pair(500, seed=seed + 7))[0], seed).interval
            assert interval is not None
            held += interval.lower <= value <= interval.upper
        assert 0.93 <= held / PAIRS <= 0.97, name


def test_slices__equal_models() -> None:
    """Ten slices of equal models are blocked in at most 6.9 % of cases, all of them together."""
    from cd4ml.metrics.statistics.multiplicity import holm

    blocked = 0
    for seed in range(300):
        frame = pair(5_000, seed=seed)
        p_values = []
        for part in np.array_split(np.arange(5_000), 10):
            candidate, production = samples(frame.iloc[part])
            metric = METRICS["roc-auc"]
            p_values.append(compare(measure(metric, candidate), measure(metric, production)).p_worse)
        blocked += min(holm(p_values)) < 0.05

    assert blocked / 300 <= 0.069 + 0.02
