"""How often analyze-experiment finds a difference at 30 looks where there is none, and where there is one.

Equal variants, and variants that a fixed test at the planned end tells apart with 80 % power, are simulated with rows
of their own and read at 30 looks: by a t-test at each look, at looks declared beforehand (group sequential), at any
time (confidence sequence), and by a mixture SPRT (Johari et al. 2022) with its mixture at the true effect. Run it with

    python benchmarks/experiment.py [--runs 2000] [--units 6000] [--seed 1]

It prints a table and ends with 1 if a promise does not hold: alarms in at most 5 % (within what the number of runs
leaves to chance), and, at declared looks, more power than the mixture SPRT.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cd4ml.metrics.experiment.readings import AlwaysValid, Fixed, Looks  # noqa: E402
from cd4ml.metrics.statistics.group_sequential import Spending  # noqa: E402

LOOKS: Final = 30
ALPHA: Final = 0.05
# Standard errors at the end by which a fixed test at 5 % has 80 % power.
DRIFT: Final = 2.8015852
FRACTIONS: Final = tuple(look / LOOKS for look in range(1, LOOKS + 1))
Floats = npt.NDArray[np.float64]


def statistics(runs: int, units: int, effect: float, rng: np.random.Generator) -> Floats:
    """Return the statistic at each look of each experiment, shape (runs, looks), of skewed values with 0 to 100."""
    at = np.asarray([round(units / 2 * one) for one in FRACTIONS])
    found = np.empty((runs, LOOKS))
    for run in range(runs):
        control, variant = rng.gamma(2.0, 1.0, size=(2, units // 2)) / math.sqrt(2)
        variant = variant + effect
        sums = [np.cumsum(one)[at - 1] for one in (control, variant)]
        squares = [np.cumsum(one * one)[at - 1] for one in (control, variant)]
        means = [one / at for one in sums]
        errors = [(square - at * one * one) / (at - 1) / at for square, one in zip(squares, means, strict=True)]
        found[run] = (means[1] - means[0]) / np.sqrt(errors[0] + errors[1])
    return found


def limits() -> Mapping[str, Floats]:
    """Return the boundary of the statistic at each look, by reading."""
    declared = {
        f"declared looks, {spending}": np.asarray(
            [
                Looks(fractions=FRACTIONS[: k + 1], planned=FRACTIONS, spending=spending).reach(ALPHA, math.inf)
                for k in range(LOOKS)
            ]
        )
        for spending in Spending
    }
    anytime = [AlwaysValid(progress=one, level=ALPHA).reach(ALPHA, math.inf) for one in FRACTIONS]
    # The variance of the mixture is the square of the true effect: the statistic's is the drift squared, by fraction.
    ratios = [one * DRIFT**2 for one in FRACTIONS]
    mixture = [math.sqrt((u + 1) / u * math.log((u + 1) / ALPHA**2)) for u in ratios]
    return {
        "t-test at each look": np.full(LOOKS, Fixed().reach(ALPHA, math.inf)),
        **declared,
        "any time, confidence sequence": np.asarray(anytime),
        "mixture SPRT": np.asarray(mixture),
    }


def main() -> int:
    """Print the table; 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--units", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    effect = DRIFT * math.sqrt(4 / asked.units)
    equal = np.abs(statistics(asked.runs, asked.units, 0.0, rng))
    different = np.abs(statistics(asked.runs, asked.units, effect, rng))
    bounds = limits()
    print(f"{asked.runs:,} experiments of {asked.units:,} units, {LOOKS} looks, seed {asked.seed}\n")
    print(f"{'':32} {'alarms, equal':>14} {'power':>8} {'mean units':>11}")
    rates = {}
    for name, limit in bounds.items():
        crossed = different > limit
        stopped = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, LOOKS) / LOOKS
        rates[name] = ((equal > limit).any(axis=1).mean(), crossed.any(axis=1).mean())
        alarm, power = rates[name]
        print(f"{name:32} {alarm:14.2%} {power:8.1%} {stopped.mean() * asked.units:11,.0f}")
    fixed = float((different[:, -1] > Fixed().reach(ALPHA, math.inf)).mean())
    print(f"{'t-test once, at the end':32} {(equal[:, -1] > Fixed().reach(ALPHA, math.inf)).mean():14.2%} {fixed:8.1%}")
    ours = f"declared looks, {Spending.OBRIEN_FLEMING}"
    ceiling = ALPHA + 2.576 * math.sqrt(ALPHA * (1 - ALPHA) / asked.runs)
    kept = [rates[name][0] <= ceiling for name in rates if name.startswith(("declared", "any"))]
    return 0 if all(kept) and rates[ours][1] > rates["mixture SPRT"][1] else 1


if __name__ == "__main__":
    sys.exit(main())
