"""The bounds of a rollout: wrong as rarely as promised, near what another method gives, right in simulated rollouts.

Howard, Ramdas, McAuliffe & Sekhon (2021), Annals of Statistics 49:1055; Waudby-Smith et al. (2024), the same 52:2613.
`benchmarks/rollout.py` makes the same simulations with hundreds of runs.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.rollout import SCENARIOS, World, rollout
from cd4ml.metrics.rollout.shares import log_evidence, lower, upper
from cd4ml.metrics.statistics.sequential import half_width


@pytest.mark.parametrize("mean", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("above", [True, False])
def test_evidence__is_1_on_average(mean: float, above: bool) -> None:
    """At the true mean the evidence is 1 on average after any number of rows: summed over all outcomes, by the binomial
    distribution."""
    for n in (1, 5, 40):
        k = np.arange(n + 1)
        chances = [math.comb(n, int(one)) * mean**one * (1 - mean) ** (n - one) for one in k]

        assert np.dot(chances, np.exp(log_evidence(k, n, mean, above=above))) == pytest.approx(1.0)


@pytest.mark.parametrize("mean", [0.5, 0.05])
@pytest.mark.parametrize("above", [True, False])
def test_evidence__ever_strong(mean: float, above: bool) -> None:
    """Looked at after each of 400 rows, a bound is ever wrong with at most 5 %: every path is followed, none drawn."""
    alive, wrong = np.array([1.0]), 0.0
    for n in range(1, 401):
        alive = np.append(alive * (1 - mean), 0.0) + np.append(0.0, alive * mean)
        strong = log_evidence(np.arange(n + 1), n, mean, above=above) >= math.log(1 / 0.05)
        wrong += float(alive[strong].sum())
        alive[strong] = 0.0

    assert 0.0005 < wrong <= 0.05


def test_bounds__near_another_method() -> None:
    """For 20,000 rows a share has bounds that are a little wider than its asymptotic confidence sequence."""
    other = 2 * half_width(math.sqrt(0.03 * 0.97 / 20_000), 1.0, 0.05)
    low, high = float(lower(600, 20_000, 0.025)), float(upper(600, 20_000, 0.025))

    assert 1.0 < (high - low) / other < 1.25


def test_thirty_looks__at_equal_variants() -> None:
    """Of 500 experiments with equal error rates, looked at 30 times each, at most 5 % ever find a difference."""
    rng = np.random.default_rng(5)
    rows = np.cumsum(np.full(30, 500))
    first, second = (np.cumsum(rng.binomial(500, 0.02, (500, 30)), axis=1) for _ in range(2))
    worse = lower(first, rows, 0.0125) > upper(second, rows, 0.0125)
    better = upper(first, rows, 0.0125) < lower(second, rows, 0.0125)

    assert (worse | better).any(axis=1).mean() <= 0.05


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("equal", {("go-on", 1.0)}),
        ("2 points more errors", {("roll-back", 0.01), ("roll-back", 0.05)}),
        ("users of 20 points more in a cell", {("wait", 0.01)}),
    ],
)
def test_rollout__simulated(name: str, ends: set[tuple[str, float]]) -> None:
    """Of a million requests for each step, an equal canary reaches all, one with 2 points more errors is stopped before
    10 %, and one whose first percent is biased stays there as inconclusive."""
    looks = 15 if name.startswith("users") else 90
    end = rollout(np.random.default_rng(3), World(), SCENARIOS[name], requests=1_000_000, looks=looks)

    assert end in ends
