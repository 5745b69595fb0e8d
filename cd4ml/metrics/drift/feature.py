"""What drifted in one feature: effect sizes and tests, from the counted values of reference and current data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells
from cd4ml.metrics.drift.distance import (
    Distance,
    Test,
    chi_square,
    g_test,
    jensen_shannon,
    ks,
    ks_test,
    pooled,
    pooled_share,
    proportions,
    psi,
    psi_bias,
    quantile_bins,
)
from cd4ml.metrics.drift.unseen import expected_unseen, unseen_test


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """What was found for one feature.

    Attributes:
        kind: `numeric` or `categorical`.
        n_reference, n_current: rows with a usable value.
        psi: population stability index as it is usually computed; `bias` is what it shows on average without drift.
        test: that of the distance (numbers) or of the categories; index_test: that of the index, of numbers.
        ks: numeric features; g, jensen_shannon and all that follows: categorical.
        unseen: share of current rows in categories that the reference does not hold, with a test of its own;
            `unseen_expected` is the share that chance explains.
        distinct_reference, distinct_current: different categories of each sample.
        pooled: share of the rows of both samples whose categories are too rare to be compared one by one.
        missing_reference, missing_current: shares of rows without a usable value, of `rows_…`.
    """

    name: str
    kind: str
    n_reference: int
    n_current: int
    psi: float
    bias: float
    bins: int
    test: Test
    missing_reference: float
    missing_current: float
    missing_test: Test
    index_test: Test | None = None
    ks: Distance | None = None
    g: Test | None = None
    jensen_shannon: float | None = None
    unseen: float = 0.0
    unseen_expected: float = 0.0
    unseen_test: Test | None = None
    unseen_categories: tuple[str, ...] = ()
    distinct_reference: int | None = None
    distinct_current: int | None = None
    pooled: float = 0.0

    @property
    def corrected_psi(self) -> float:
        """The index less its bias, at least 0."""
        return max(0.0, self.psi - self.bias)


def feature_drift(name: str, reference: Cells, current: Cells, *, bins: int = 10) -> FeatureDrift:
    """Return what drifted in one feature.

    Args:
        reference, current: counted in the same cells.
        bins: quantile bins of the index, for numbers; categories are bins of their own.

    Raises:
        ValueError: a sample without a usable value, or samples of different kinds.
    """
    if isinstance(reference, NumberCells) and isinstance(current, NumberCells):
        return _numbers(name, reference, current, bins)
    if isinstance(reference, CategoryCells) and isinstance(current, CategoryCells):
        return _categories(name, reference, current)
    raise ValueError(f"{name}: numbers cannot be compared with categories")


def _numbers(name: str, reference: NumberCells, current: NumberCells, bins: int) -> FeatureDrift:
    """Compare numbers: the index over quantile bins of the reference, the distance over all cells."""
    starts = quantile_bins(reference.counts, bins)
    binned = [np.add.reduceat(cells.counts, starts) for cells in (reference, current)]
    exact = np.zeros(len(reference.counts), dtype=bool)
    if not (reference.fractional or current.fractional):
        exact = reference.grid.exact
    distance = ks(reference.counts, current.counts, exact=exact)
    return FeatureDrift(
        name=name,
        kind="numeric",
        psi=psi(*binned),
        bias=psi_bias(len(starts), reference.n, current.n),
        bins=len(starts),
        test=ks_test(distance, reference.n, current.n),
        index_test=chi_square(*binned),
        ks=distance,
        **_missing(reference, current),
    )


def _categories(name: str, reference: CategoryCells, current: CategoryCells) -> FeatureDrift:
    """Compare categories, each a bin of its own but for rare ones; those that the reference never saw are named."""
    if reference.identifiers or current.identifiers:
        return _not_counted(name, reference, current)
    labels = sorted({*reference.counts, *current.counts})
    p, q = (np.array([cells.counts.get(label, 0) for label in labels]) for cells in (reference, current))
    unseen = [label for label in labels if label not in reference.counts]
    # The bias is known for bins that hold some rows: with one for each rare category it would swallow a real drift.
    table = pooled(p, q)
    return FeatureDrift(
        name=name,
        kind="categorical",
        psi=psi(*table),
        bias=psi_bias(table.shape[1], reference.n, current.n),
        bins=table.shape[1],
        test=chi_square(p, q),
        g=g_test(p, q),
        jensen_shannon=jensen_shannon(p, q),
        unseen=sum(current.counts[label] for label in unseen) / current.n,
        unseen_expected=expected_unseen(p),
        unseen_test=unseen_test(p, q),
        unseen_categories=tuple(unseen),
        distinct_reference=reference.distinct,
        distinct_current=current.distinct,
        pooled=pooled_share(p, q),
        **_missing(reference, current),
    )


def _not_counted(name: str, reference: CategoryCells, current: CategoryCells) -> FeatureDrift:
    """Return what is known of categories that were too many to count: rows and gaps, but nothing to compare."""
    nothing = Test(name="none", statistic=0.0, p_value=1.0)
    return FeatureDrift(
        name=name,
        kind="categorical",
        psi=0.0,
        bias=0.0,
        bins=0,
        test=nothing,
        distinct_reference=reference.distinct,
        distinct_current=current.distinct,
        pooled=1.0,
        **_missing(reference, current),
    )


def _missing(reference: Cells, current: Cells) -> dict[str, Any]:
    """Return what numbers and categories share: rows, and the change in rows without a usable value."""
    first, second = ((cells.missing, cells.n + cells.missing) for cells in (reference, current))
    return {
        "n_reference": reference.n,
        "n_current": current.n,
        "missing_reference": first[0] / first[1],
        "missing_current": second[0] / second[1],
        "missing_test": proportions(first, second),
    }
