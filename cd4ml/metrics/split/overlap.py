"""How many test rows stand in the training rows, and how many would by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.metrics.split.row_keys import Multiplicities, SampledKeys, are_among, compared_of
from cd4ml.metrics.statistics.intervals import Bounds, square_and_add, wilson

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Two-sided. The limits of check-split are many, and together they may blame one clean split in twenty.
CONFIDENCE: Final = 0.99


def chance_bounds(repeated: int, rows: int, twice: int, confidence: float = CONFIDENCE) -> Bounds:
    """Return an interval of the chance that a new row of the same origin equals one of some rows.

    Each row in turn is the new one, and the others are what it may equal (Good's estimate of the missing mass). Its
    variance takes into account that two equal rows find each other; the score interval of as many rows as have that
    variance holds where none or all are repeated too.

    Args:
        repeated: rows that have an equal one among the others.
        twice: values that occur twice.

    Source:
        Good (1953), Biometrika 40:237; Esty (1983), Annals of Statistics 11:905, theorem 1.
    """
    share = repeated / rows
    plain = share * (1 - share)
    effective = rows * plain / (plain + 2 * twice / rows) if plain else float(rows)
    return wilson(share * effective, effective, confidence)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Test rows that equal training rows.

    Attributes:
        rows: of the test.
        found: those of them that equal a training row.
        train_rows: of the training.
        train_found: those of them that equal another training row.
        train_twice: values that occur twice among the training rows.
        every: of how many rows one was looked at.
    """

    rows: int
    found: int
    train_rows: int
    train_found: int
    train_twice: int
    every: int = 1

    @property
    def share(self) -> float:
        """The share of the test rows."""
        return self.found / self.rows if self.rows else 0.0

    @property
    def by_chance(self) -> float:
        """The share that new rows of the same origin would have."""
        return self.train_found / self.train_rows if self.train_rows else 0.0

    @property
    def excess(self) -> float:
        """How much larger the share is than by chance."""
        return self.share - self.by_chance

    def bounds(self, confidence: float = CONFIDENCE) -> Bounds:
        """Return the interval of the excess, by Newcombe's hybrid method; from -1 to 1 where no row was looked at.

        Source:
            Newcombe (1998), Statistics in Medicine 17:873.
        """
        if not (self.rows and self.train_rows):
            return Bounds(lower=-1.0, upper=1.0)
        mine = wilson(self.found, self.rows, confidence)
        theirs = chance_bounds(self.train_found, self.train_rows, self.train_twice, confidence)
        return square_and_add(self.share, mine, self.by_chance, theirs)

    def numbers(self) -> dict[str, Any]:
        """Return the numbers for the report."""
        looked = {"one_row_in": self.every} if self.every > 1 else {}
        shares = {"share": self.share, "by_chance": self.by_chance, "excess": self.excess}
        return {"rows": self.found, **shares, **looked}


def overlap_of(test: npt.NDArray[np.uint64], train: npt.NDArray[np.uint64], of_train: Multiplicities) -> Overlap:
    """Return the overlap of all rows, from their sorted keys."""
    return Overlap(
        rows=len(test),
        found=int(are_among(test, train).sum()),
        train_rows=of_train.rows,
        train_found=of_train.rows - of_train.once,
        train_twice=of_train.twice,
    )


def beside_equal(test: SampledKeys, train: SampledKeys) -> Overlap:
    """Return the overlap of rows that equal others in what is compared, and none of them in what is beside it."""
    (theirs, n_theirs), (mine, n_mine) = train.items(), test.items()
    found = are_among(compared_of(mine), compared_of(theirs)) & ~are_among(mine, theirs)
    train_found = int(_with_neighbours(theirs, n_theirs).sum())
    return Overlap(
        rows=int(n_mine.sum()),
        found=int(n_mine[found].sum()),
        train_rows=int(n_theirs.sum()),
        train_found=train_found,
        train_twice=train_found // 2,
        every=train.every,
    )


def _with_neighbours(keys: npt.NDArray[np.uint64], counts: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Return which different keys stand for a single row that equals others in what is compared alone."""
    import numpy as np

    compared = compared_of(keys)
    same = compared[1:] == compared[:-1]
    found: npt.NDArray[np.bool_] = (np.append(same, False) | np.insert(same, 0, False)) & (counts == 1)
    return found


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Test rows that equal other test rows, beside what training rows of the same number show.

    Attributes:
        rows: of the test.
        share: of the test rows that equal another one.
        by_chance: of as many training rows.
        bounds: interval of the difference.
        pairs_beyond: ordered pairs of equal test rows, beyond those that training rows show.
    """

    rows: int
    share: float
    by_chance: float
    bounds: Bounds
    pairs_beyond: float

    @property
    def excess(self) -> float:
        """How much larger the share is than by chance."""
        return self.share - self.by_chance

    @property
    def effective_rows(self) -> float:
        """As how many different rows the test rows count, if copies are beyond doubt: n / (1 + pairs / n).

        Source:
            The design effect of clusters whose members are all the same: Kish (1965), Survey Sampling, Wiley.
        """
        return self.rows / (1 + self.pairs_beyond / self.rows) if self.bounds.lower > 0 else float(self.rows)

    def numbers(self) -> dict[str, Any]:
        """Return the numbers for the report."""
        return {"share": self.share, "by_chance": self.by_chance, "excess": self.excess}


def duplicates_of(test: Multiplicities, train: Multiplicities, confidence: float = CONFIDENCE) -> Duplicates:
    """Return the duplicates within test rows; the larger table is thinned out to the rows of the smaller one."""
    rows = min(test.rows, train.rows)
    mine, theirs = test.repeated_among(rows), train.repeated_among(rows)
    of_mine, of_theirs = (_bounds(share, rows, confidence) for share in (mine, theirs))
    by_chance = train.pairs / (train.rows * (train.rows - 1)) * test.rows * (test.rows - 1) if train.rows > 1 else 0.0
    return Duplicates(
        rows=test.rows,
        share=mine,
        by_chance=theirs,
        bounds=square_and_add(mine, of_mine, theirs, of_theirs),
        pairs_beyond=max(0.0, test.pairs - by_chance),
    )


def _bounds(share: float, rows: int, confidence: float) -> Bounds:
    """Return the interval of a share of rows that find each other in pairs: half of them count."""
    return chance_bounds(round(share * rows), rows, round(share * rows / 2), confidence)
