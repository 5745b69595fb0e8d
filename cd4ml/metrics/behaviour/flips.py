"""The share of rows whose answer changes when a column does, or whose score moves the wrong way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from cd4ml.metrics.behaviour.answers import Answers, Floats, Marks, moves
from cd4ml.metrics.statistics.proportion import CONFIDENCE, ONE_SIDED, at_least, quantile, score_interval
from cd4ml.report import Interval

# Where a limit is lower, rows are enough that show this rate: else no sample would do.
_LOWEST_SHOWN: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many of n rows are of a kind, n > 0."""

    count: int
    n: int

    @property
    def share(self) -> float:
        """The share."""
        return self.count / self.n

    @property
    def interval(self) -> Interval:
        """The score interval of the share, two-sided 95 %."""
        return score_interval(self.count, self.n, quantile(CONFIDENCE)).named(CONFIDENCE, "Wilson")

    def shown_above(self, limit: float) -> float:
        """Return the p-value of the hypothesis that the true rate is at most the limit.

        Source:
            The exact binomial test (Clopper & Pearson 1934, Biometrika 26:404).
        """
        return at_least(self.count, self.n, limit)


def rows_needed(limit: float) -> int:
    """Return how many rows without any of the kind show that the rate is at most the limit (or 5 %, if it is lower)."""
    highest = max(limit, _LOWEST_SHOWN)
    return 1 if highest >= 1 else math.ceil(math.log(1 - ONE_SIDED) / math.log(1 - highest))


@dataclass(frozen=True, kw_only=True)
class Flips:
    """What became of the answers to changed rows.

    Attributes:
        rate: of the rows that were changed, how many are answered otherwise, in any of their copies.
        largest: by how much a number moved at most: a share of it for regressions, else a difference of scores.
        worst: the row that changed most, among those whose answer changed if there are such.
        before, after: the answers to it, for people.
    """

    rate: Rate
    largest: float
    worst: int
    before: str
    after: str


def flips(before: Answers, after: Answers, differs: Marks, tolerance: float | None) -> Flips:
    """Compare the answers to n rows with those to k changed copies of them.

    Args:
        after: of k n rows, copy by copy.
        differs: shape (k, n), which rows of each copy were changed; at least one.

    Raises:
        ValueError: see `moves`.
    """
    k, n = differs.shape
    found = moves(before.of(np.tile(np.arange(n), k)), after, tolerance)
    flipped = found.flips.reshape(k, n) & differs
    amounts = np.where(differs, found.amounts.reshape(k, n), -1.0)
    rows = differs.any(axis=0)
    # Of the copies whose answer changed the one that moved most; of all copies, if no answer did.
    copy, worst = divmod(int(np.argmax(np.where(flipped, amounts + _above(amounts), amounts))), n)
    return Flips(
        rate=Rate(count=int(flipped.any(axis=0).sum()), n=int(rows.sum())),
        largest=float(amounts.max()),
        worst=worst,
        before=before.told(worst),
        after=after.told(copy * n + worst),
    )


def _above(amounts: Floats) -> float:
    """Return a number that is larger than every finite amount."""
    finite = amounts[np.isfinite(amounts)]
    return 1.0 + (float(finite.max()) if len(finite) else 0.0)
