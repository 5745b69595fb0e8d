"""How often audit-fairness blames what is clean: features, pairs of groups and cut-offs; run by calibration.py.

Features that tell nothing of a group, or just as much as is allowed; pairs of groups under two equally good models;
groups whose scores are alike. Each run is a whole family (all features, all pairs, all cut-offs), and blames if any of
it is shown to lie beyond its limit. In faulty worlds it is the power: a feature that tells more, a group that lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cd4ml.checks.fairness.decision import Decision, Limits
from cd4ml.checks.fairness.sweep import SweptPart, sweep, threshold_check
from cd4ml.data.predictions.crosstabs import Crosstab
from cd4ml.metrics.fairness.pair_changes import adjusted, pair_changes
from cd4ml.metrics.fairness.proxies import proxies
from cd4ml.metrics.fairness.rates import Reference
from cd4ml.metrics.fairness.threshold_sweep import cut_offs, groups_by_cut_off
from cd4ml.report import Status

# A 99 % binomial band of 1,000 runs at 5 % ends here.
CEILING: Final = 0.069
FEATURES: Final = 20
GROUPS: Final = 4
LIMIT: Final = 0.5
LIMITS: Final = Limits(minimum_ratio=0.8, minimum_group_size=30, decision=Decision.EVIDENCE)


@dataclass(frozen=True, kw_only=True)
class World:
    """A kind of run: its name, whether it is clean, and what says whether a run of n rows blames anything."""

    name: str
    clean: bool
    blames: Callable[[int, np.random.Generator], bool]


def _categories(strength: float, generator: np.random.Generator, n: int) -> Crosstab:
    """Return a feature of four values of which pairs tell two groups apart by a V of `strength`."""
    group = generator.integers(0, 2, n)
    value = np.where(generator.random(n) < strength, group, generator.integers(0, 2, n)) + 2 * generator.integers(
        0, 2, n
    )
    counts = np.bincount(2 * value + group, minlength=8).reshape(4, 2)
    return Crosstab(feature=str(generator.random()), attribute="a", ordered=False, groups=["f", "m"], counts=counts)


def _numbers(strength: float, generator: np.random.Generator, n: int) -> Crosstab:
    """Return a feature of numbers that rank two groups with 2 AUC - 1 of `strength`, rounded so that there are ties."""
    group = generator.integers(0, 2, n)
    own = np.where(generator.random(n) < strength, 100 * group, 0) + generator.integers(0, 100, n)
    counts = np.zeros((200, 2), dtype=np.int64)
    np.add.at(counts, (own, group), 1)
    return Crosstab(feature=str(generator.random()), attribute="a", ordered=True, groups=["f", "m"], counts=counts)


def _given_away(strength: float, others: float, *, numbers: bool) -> Callable[[int, np.random.Generator], bool]:
    """Return whether a feature of `strength` among others is shown to tell more than the limit."""
    make = _numbers if numbers else _categories

    def blames(n: int, generator: np.random.Generator) -> bool:
        tables = [make(strength if not place else others, generator, n) for place in range(FEATURES)]
        (found,) = proxies(tables, {"a": LIMIT}, minimum_group_size=30)
        return any(one.p_value < 0.05 for one in found.found)

    return blames


def _counts(groups: list[npt.NDArray[np.int64]], **columns: list[int]) -> pd.DataFrame:
    """Return the counts of groups, whose cells these columns describe."""
    cells = pd.DataFrame(columns)
    table = pd.concat([cells.assign(n=n, sex=str(name)) for name, n in enumerate(groups)], ignore_index=True)
    return table.assign(weight=table["n"].astype(float), squares=table["n"].astype(float))


def _worse_pair(lost: float) -> Callable[[int, np.random.Generator], bool]:
    """Return whether a pair of groups is shown to lie further apart; the first group loses a share of its rows."""

    def blames(n: int, generator: np.random.Generator) -> bool:
        shares = [[0.6, 0.1 + part, 0.1, 0.2 - part] for part in (lost, *[0.0] * (GROUPS - 1))]
        drawn = [generator.multinomial(n // GROUPS, share) for share in shares]
        counts = _counts(drawn, y_pred=[0, 0, 1, 1], production_y_pred=[0, 1, 0, 1])
        (found,) = adjusted([pair_changes(counts, counts["sex"])])
        return any(pair.p_value < 0.05 for pair in found)

    return blames


def _turned(shift: float) -> Callable[[int, np.random.Generator], bool]:
    """Return whether a sweep fails; beyond 0.5 the scores of the first group are lower by `shift`."""
    cuts = cut_offs(0.5, 0.05)

    def blames(n: int, generator: np.random.Generator) -> bool:
        drawn = []
        for place in range(GROUPS):
            scores = generator.random(n // GROUPS)
            beyond = (scores > 0.5) & (scores < 0.5 + shift) & (place == 0)
            scores[beyond] = 0.5
            drawn.append(np.bincount(np.searchsorted(cuts, scores, side="right"), minlength=len(cuts) + 1))
        counts = _counts(drawn, y_pred=list(range(len(cuts) + 1)))
        part = SweptPart(name="sex", groups=groups_by_cut_off(counts, counts["sex"], len(cuts)), limits=LIMITS)
        (found,) = sweep([part], cuts, Reference.BEST, present=0.5, margin=0.05)
        return threshold_check(found).status is Status.FAILED

    return blames


WORLDS: Final = (
    World(name="20 categories that tell nothing", clean=True, blames=_given_away(0.0, 0.0, numbers=False)),
    World(name="20 categories that tell what is allowed", clean=True, blames=_given_away(0.5, 0.5, numbers=False)),
    World(name="20 numbers that tell nothing", clean=True, blames=_given_away(0.0, 0.0, numbers=True)),
    World(name="20 numbers that tell what is allowed", clean=True, blames=_given_away(0.5, 0.5, numbers=True)),
    World(name="a category that tells 0.7", clean=False, blames=_given_away(0.7, 0.0, numbers=False)),
    World(name="a number that tells 0.7", clean=False, blames=_given_away(0.7, 0.0, numbers=True)),
    World(name="pairs of 4 groups, equal models", clean=True, blames=_worse_pair(0.0)),
    World(name="a group that loses 10 points", clean=False, blames=_worse_pair(0.1)),
    World(name="thresholds, equal scores", clean=True, blames=_turned(0.0)),
    World(name="a group without scores from 0.5 to 0.8", clean=False, blames=_turned(0.3)),
)


def main(repeats: int, rows: Sequence[int]) -> int:
    """Print a table; end with 1 if clean runs are blamed too often."""
    broken = 0
    print(f"| runs | {' | '.join(f'{n:,} rows' for n in rows)} |\n|---|{'--:|' * len(rows)}")
    for place, world in enumerate(WORLDS):
        shares = []
        for n in rows:
            found = sum(world.blames(n, np.random.default_rng([place, n, seed])) for seed in range(repeats))
            kept = not world.clean or found / repeats <= CEILING
            broken += not kept
            shares.append(f"{found / repeats:.1%}{'' if kept else ' **broken**'}")
        print(f"| {world.name}{'' if world.clean else ' (found)'} | {' | '.join(shares)} |", flush=True)
    print(f"\n{broken} promises broken")
    return 1 if broken else 0
