"""The slices that a model gets wrong most often: every value of every column, and combinations of them, are tested.

Each slice is tested against all other rows, and the tests share a false discovery rate. Rows enter only through the
cells of all columns together: every combination of columns is a sum over cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.catalogue import MEAN_ABSOLUTE_ERROR
from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.performance.slice_cells import Cells, Floats, summed_up
from cd4ml.metrics.performance.slice_columns import Columns
from cd4ml.metrics.statistics import intervals, means
from cd4ml.metrics.statistics.multiplicity import benjamini_hochberg
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval

ERROR_RATE: Final = "error-rate"
LEVEL: Final = 0.05
MOST_SLICES: Final = 200_000


@dataclass(frozen=True, kw_only=True)
class Found:
    """A slice that is shown to be worse than the other rows.

    Attributes:
        slice: the rows' values by column.
        n: number of its rows.
        value, elsewhere: mean loss of its rows, and of all others.
        production: production's mean loss on its rows, None without production.
        p_value: adjusted for all slices tested.
        interval: of value minus elsewhere, two-sided 95 %, for this slice alone.
    """

    slice: Mapping[str, str]
    n: int
    value: float
    elsewhere: float
    production: float | None
    p_value: float
    interval: Interval | None

    @property
    def difference(self) -> float:
        """How much greater the loss is than that of the other rows."""
        return self.value - self.elsewhere


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was searched and found.

    Attributes:
        metric: the loss: the share of wrong decisions, or the mean absolute error.
        n: all rows.
        tested: slices with enough rows, inside and outside.
        too_small: further slices that occur, with fewer.
        found: the slices that are shown to be worse, worst first; of slices that lie inside one another only those that
            are worse than what they lie in.
    """

    metric: str
    n: int
    depth: int
    minimum_rows: int
    columns: Columns
    tested: int
    too_small: int
    found: Sequence[Found]


def search(
    columns: Columns, candidate: Sample, production: Sample | None, *, numeric: bool, depth: int, minimum_rows: int
) -> Search:
    """Test every slice of one column, and of combinations of up to `depth` columns, against the other rows.

    Args:
        numeric: whether the loss is the absolute error, and not a wrong decision.
        depth: at most 3.
        minimum_rows: rows that a slice, and the others, must have to be tested.

    Raises:
        OptionsError: there are more slices than can be tested.

    Source:
        Slices as conjunctions of values with a test against the rest: Chung et al. (2019), Slice Finder, ICDE 1550. The
        test is Fisher's exact one for wrong decisions, Welch's for errors and with weights; the false discovery rate
        Benjamini & Hochberg (1995).
    """
    cells = summed_up(columns, candidate, production, numeric=numeric)
    tests = _tests(cells, columns, depth)
    effect = candidate.design_effect
    inside, outside = tests.sums["n"] / effect, (cells.total["n"] - tests.sums["n"]) / effect
    enough = (inside >= minimum_rows) & (outside >= minimum_rows)
    tests = tests.rows(enough)
    counted = {name: values / effect for name, values in tests.sums.items()}
    total = {name: value / effect for name, value in cells.total.items()}
    adjusted = np.array(benjamini_hochberg(_p_values(counted, total, exact=cells.exact).tolist()))
    shown = np.flatnonzero(adjusted < LEVEL)
    found = [_found(tests, index, float(adjusted[index]), cells, columns, effect) for index in shown.tolist()]
    return Search(
        metric=MEAN_ABSOLUTE_ERROR.name if numeric else ERROR_RATE,
        n=len(candidate.y_true),
        depth=depth,
        minimum_rows=minimum_rows,
        columns=columns,
        tested=int(enough.sum()),
        too_small=int((~enough & (outside > 0)).sum()),
        found=_most_general(found),
    )


@dataclass(frozen=True, kw_only=True)
class _Tests:
    """Slices: `which` is the index of their combination of columns, `code` that of the values."""

    combinations: Sequence[Sequence[str]]
    which: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]
    sums: Mapping[str, Floats]

    def rows(self, chosen: npt.NDArray[np.bool_]) -> _Tests:
        """Return some of the slices."""
        sums = {name: values[chosen] for name, values in self.sums.items()}
        return _Tests(combinations=self.combinations, which=self.which[chosen], code=self.code[chosen], sums=sums)


def _tests(cells: Cells, columns: Columns, depth: int) -> _Tests:
    """Sum up the cells of every slice that occurs."""
    combined = [part for size in range(1, depth + 1) for part in combinations(columns.codes, size)]
    which, code, parts, number = [], [], [], 0
    for index, names in enumerate(combined):
        flat: npt.NDArray[np.int64] = np.zeros(len(cells.sums["n"]), dtype=np.int64)
        for name in names:
            flat = flat * len(columns.names[name]) + cells.codes[name]
        size = prod(len(columns.names[name]) for name in names)
        sums = {name: np.bincount(flat, values, minlength=size) for name, values in cells.sums.items()}
        occurs = np.flatnonzero(sums["n"])
        number += len(occurs)
        if number > MOST_SLICES:
            raise OptionsError(
                f"slice-search: there are more than {MOST_SLICES:,} slices to test",
                advice="Search fewer columns, or lower slice-search-depth.",
            )
        which.append(np.full(len(occurs), index))
        code.append(occurs)
        parts.append({name: values[occurs] for name, values in sums.items()})
    together = {name: np.concatenate([part[name] for part in parts]) for name in cells.sums}
    return _Tests(combinations=combined, which=np.concatenate(which), code=np.concatenate(code), sums=together)


def _p_values(sums: Mapping[str, Floats], total: Mapping[str, float], *, exact: bool) -> Floats:
    """Return one-sided p-values of the hypothesis that the slices' losses are not greater than those of other rows.

    Args:
        sums, total: of slices and of all rows, as far as rows count; parts of a count are against the finding.
    """
    if exact:
        from scipy import stats

        wrong, rows = np.floor(sums["value"]), np.ceil(sums["n"])
        return np.asarray(stats.hypergeom.sf(wrong - 1, np.ceil(total["n"]), np.ceil(total["value"]), rows))
    mean, error = _means(sums)
    other, other_error = _means({name: total[name] - values for name, values in sums.items()})
    spread = error + other_error
    degrees = np.square(spread) / (
        np.square(error) / (sums["n"] - 1) + np.square(other_error) / (total["n"] - sums["n"] - 1)
    )
    # Without a spread the rows tell nothing.
    known = spread > 1e-12 * np.square(mean + other)
    below = special.stdtr(degrees, np.divide(other - mean, np.sqrt(spread), where=known, out=np.zeros_like(mean)))
    return np.where(known, below, 1.0)


def _means(sums: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return the weighted means and their variances, as `means.mean` does for one."""
    mean, n = sums["value"] / sums["weight"], sums["n"]
    spread = sums["square_value_square"] - 2 * mean * sums["square_value"] + np.square(mean) * sums["squares"]
    return mean, np.maximum(spread, 0.0) * n / (n - 1) / np.square(sums["weight"])


def _found(tests: _Tests, index: int, p_value: float, cells: Cells, columns: Columns, design_effect: float) -> Found:
    """Return a slice with its loss and that of the other rows."""
    inside = {name: float(values[index]) for name, values in tests.sums.items()}
    outside = {name: total - inside[name] for name, total in cells.total.items()}
    below = "n" if cells.exact else "weight"
    return Found(
        slice=_values(tests.combinations[tests.which[index]], int(tests.code[index]), columns),
        n=int(inside["n"]),
        value=inside["value"] / inside[below],
        elsewhere=outside["value"] / outside[below],
        production=inside["production"] / inside[below] if "production" in inside else None,
        p_value=p_value,
        interval=_interval(inside, outside, design_effect, exact=cells.exact),
    )


def _values(names: Sequence[str], code: int, columns: Columns) -> dict[str, str]:
    """Return the values that a combined code stands for."""
    values: dict[str, str] = {}
    for name in reversed(names):
        code, own = divmod(code, len(columns.names[name]))
        values[name] = columns.names[name][own]
    return {name: values[name] for name in names}


def _interval(
    inside: Mapping[str, float], outside: Mapping[str, float], design_effect: float, *, exact: bool
) -> Interval | None:
    """Return the interval of the difference of the losses."""
    if exact:
        pairs = [(part["value"] / design_effect, part["n"] / design_effect) for part in (inside, outside)]
        bounds = intervals.newcombe(pairs[0], pairs[1], CONFIDENCE)
        return bounds.named(CONFIDENCE, "Newcombe")
    names = ("weight", "squares", "value", "square_value", "square_value_square")
    sums = [means.Sums(n=int(part["n"]), **{name: part[name] for name in names}) for part in (inside, outside)]
    first, second = (means.mean(one.counted(design_effect)) for one in sums)
    return means.difference(first, second)


def _most_general(found: Sequence[Found]) -> list[Found]:
    """Leave out slices that are not worse than one they lie in, and put the worst first.

    What a limit on the difference blocks is never left out: the slice that stays is larger and at least as bad, so its
    difference to the other rows is at least as large.
    """
    kept: list[Found] = []
    for one in sorted(found, key=lambda part: (len(part.slice), -part.value)):
        if not any(wide.slice.items() <= one.slice.items() and wide.value >= one.value for wide in kept):
            kept.append(one)
    return sorted(kept, key=lambda part: part.interval.lower if part.interval else part.difference, reverse=True)
