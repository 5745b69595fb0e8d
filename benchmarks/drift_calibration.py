"""How often detect-drift raises an alarm where nothing drifted, and whether it sees what it must.

Every promise of detect-drift's bands and tests is measured here on simulated tables. Run it with

    python benchmarks/drift_calibration.py [--runs 1000] [--rows 100 1000 10000 100000 1000000]

Counts are drawn, not rows: n independent values fall into the cells of a grid as one multinomial draw, so that a
million rows cost no more than a hundred. It prints a table and ends with 1 if a promise does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cd4ml.checks.drift.effects import MODERATE, SIGNIFICANT, Limits  # noqa: E402
from cd4ml.checks.drift.features import drift_checks  # noqa: E402
from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells  # noqa: E402
from cd4ml.data.profile.grids import CELLS, Grid  # noqa: E402
from cd4ml.metrics.drift.feature import feature_drift  # noqa: E402
from cd4ml.report import Check, Status  # noqa: E402

NUMBERS: Final = 15
CATEGORIES: Final = 5
MISSING: Final = 0.02
# Of a thousand runs at 5 %, the 99 % quantile: a ceiling for a promise of at most 5 %.
CEILING: Final = 0.067
GRID: Final = Grid.linear(-6.0, 6.0)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How often something happened, and how often it may."""

    what: str
    n: int
    rate: float
    low: float
    high: float

    @property
    def kept(self) -> bool:
        """Whether the promise holds."""
        return self.low <= self.rate <= self.high


def cells_of_normal(shift: float) -> npt.NDArray[np.float64]:
    """Return the chance of each cell of the grid for a normal value, shape (cells + 2,)."""
    edges = np.concatenate([[-np.inf], np.linspace(GRID.low, GRID.high, CELLS + 1), [np.inf]])
    chances: npt.NDArray[np.float64] = np.diff(stats.norm.cdf(edges, shift))
    return chances


def chances(features: int, categories: int, shift: float) -> list[npt.NDArray[np.float64]]:
    """Return the chances of the cells of each feature; only the first one is shifted."""
    found = [cells_of_normal(shift if position == 0 else 0.0) for position in range(features)]
    for position in range(categories):
        weights = 1.0 / np.arange(1, 4 * (position + 1) + 1)
        found.append(weights / weights.sum())
    return found


def draw(cells: Sequence[npt.NDArray[np.float64]], n: int, generator: np.random.Generator) -> list[Cells]:
    """Return the counted values of n rows."""
    drawn: list[Cells] = []
    for shares in cells:
        gaps = int(generator.binomial(n, MISSING))
        counts = generator.multinomial(n - gaps, shares)
        if len(shares) == CELLS + 2:
            drawn.append(NumberCells(grid=GRID, counts=counts, nulls=gaps))
        else:
            labels = {f"c{number}": int(count) for number, count in enumerate(counts) if count}
            drawn.append(CategoryCells(counts=labels, nulls=gaps))
    return drawn


def decide(reference: Sequence[Cells], current: Sequence[Cells], limits: Limits) -> list[Check]:
    """Return the checks of one run."""
    pairs = zip(reference, current, strict=True)
    return drift_checks([feature_drift(f"f{number}", *pair) for number, pair in enumerate(pairs)], limits)


def alarms(checks: Sequence[Check]) -> bool:
    """Whether anything was flagged or blocked."""
    return any(check.reason in (MODERATE, SIGNIFICANT) or check.status is Status.FAILED for check in checks)


def blocks(checks: Sequence[Check]) -> bool:
    """Whether the run is blocked."""
    return any(check.status is not Status.PASSED for check in checks)


def measure(n: int, runs: int, *, shift: float = 0.0, judge: Any = alarms, correction: str = "holm") -> float:
    """Return the share of runs that the judge finds; the minimum of rows is off, so that small samples are tested."""
    generator = np.random.default_rng([n, round(1_000 * shift), len(correction)])
    limits = Limits(minimum_rows=2, correction=correction)
    before, after = chances(NUMBERS, CATEGORIES, 0.0), chances(NUMBERS, CATEGORIES, shift)
    found = [judge(decide(draw(before, n, generator), draw(after, n, generator), limits)) for _ in range(runs)]
    return float(np.mean(found))


def simulate(rows: Sequence[int], runs: int) -> Iterator[Outcome]:
    """Yield every promise with what was measured."""
    ceiling = CEILING if runs >= 1_000 else 0.05 + 2.33 * (0.05 * 0.95 / runs) ** 0.5
    for correction in ("holm", "benjamini-hochberg"):
        for n in rows:
            rate = measure(n, runs, correction=correction)
            yield Outcome(what=f"no drift, {correction}: any alarm", n=n, rate=rate, low=0.0, high=ceiling)
    rate = measure(10_000, runs, shift=0.3)
    yield Outcome(what="mean shifted by 0.3 sigma: alarm", n=10_000, rate=rate, low=1.0, high=1.0)
    rate = measure(1_000_000, runs, shift=0.049, judge=blocks)
    yield Outcome(what="mean shifted by 0.049 sigma: blocks", n=1_000_000, rate=rate, low=0.0, high=0.0)


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    print(f"| what | n | rate of {arguments.runs:,} | may be |\n|---|--:|--:|---|")
    outside = 0
    for found in simulate(arguments.rows, arguments.runs):
        outside += not found.kept
        mark = "" if found.kept else " **outside**"
        print(
            f"| {found.what} | {found.n:,} | {found.rate:.1%}{mark} | {found.low:g} to {found.high:.3g} |", flush=True
        )
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
