"""How many test rows stand in the training rows, and how many would by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.metrics.statistics.intervals import Bounds, square_and_add, wilson

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Two-sided. The limits of check-split are many, and together they may blame one clean split in twenty.
CONFIDENCE: Final = 0.99


@dataclass(frozen=True, kw_only=True)
class Occurrences:
    """How often values occur: what is needed to say how often a new one would be among them.

    Attributes:
        rows: all of them.
        once, twice: values that occur once, and twice.
    """

    rows: int
    once: int
    twice: int

    @property
    def repeated(self) -> float:
        """The share of rows that have an equal one among the others."""
        return 1 - self.once / self.rows

    def chance(self, confidence: float = CONFIDENCE) -> Bounds:
        """Return an interval of the chance that a new row of the same origin equals one of these.

        Each row in turn is the new one, and the others are what it may equal (Good's estimate of the missing mass). Its
        variance takes into account that two equal rows find each other; a score interval of as many rows as have that
        variance holds where none or all are repeated too.

        Source:
            Good (1953), Biometrika 40:237; Esty (1983), Annals of Statistics 11:905, theorem 1.
        """
        new = self.once / self.rows
        plain = new * (1 - new)
        effective = self.rows * plain / (plain + 2 * self.twice / self.rows) if plain else float(self.rows)
        return wilson(self.repeated * effective, effective, confidence)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Test rows that stand in the training rows.

    Attributes:
        rows: of the test.
        found: those of them that equal a training row.
        train: how often the training rows equal each other.
    """

    rows: int
    found: int
    train: Occurrences

    @property
    def share(self) -> float:
        """The share of the test rows."""
        return self.found / self.rows

    @property
    def excess(self) -> float:
        """How much larger the share is than that of a new sample of the same origin."""
        return self.share - self.train.repeated

    def bounds(self, confidence: float = CONFIDENCE) -> Bounds:
        """Return the interval of the excess, by Newcombe's hybrid method.

        Source:
            Newcombe (1998), Statistics in Medicine 17:873.
        """
        mine = wilson(self.found, self.rows, confidence)
        return square_and_add(self.share, mine, self.train.repeated, self.train.chance(confidence))

    def numbers(self) -> dict[str, Any]:
        """Return the numbers for the report."""
        return {"rows": self.found, "share": self.share, "by_chance": self.train.repeated, "excess": self.excess}


class Keys:
    """Hashes of rows, kept in memory: 8 bytes for each.

    Of the 64 bits, 48 are of what is compared and 16 of what is beside it, so that 10 million test rows and as many
    training rows have 0.36 false matches between them on average.
    """

    BITS: Final = 48

    def __init__(self, rows: int) -> None:
        import numpy as np

        self._keys = np.empty(rows, dtype=np.uint64)
        self._filled = 0

    def add(self, compared: npt.NDArray[np.uint64], beside: npt.NDArray[np.uint64]) -> None:
        """Keep the hashes of more rows: of what is compared, and of what is beside it."""
        import numpy as np

        part = self._keys[self._filled : self._filled + len(compared)]
        low = np.uint64(64 - self.BITS)
        np.left_shift(np.right_shift(compared, low), low, out=part)
        part |= np.right_shift(beside, np.uint64(self.BITS))
        self._filled += len(compared)

    def sort(self) -> None:
        """Sort them; no rows are added after this."""
        self._keys = self._keys[: self._filled]
        self._keys.sort()

    def whole(self) -> npt.NDArray[np.uint64]:
        """Return the sorted hashes of all that was added, shape (n,)."""
        return self._keys

    def compared(self) -> npt.NDArray[np.uint64]:
        """Return the sorted hashes of what is compared, shape (n,)."""
        import numpy as np

        return np.right_shift(self._keys, np.uint64(64 - self.BITS))


def runs(keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the different ones of sorted keys, and how often each occurs."""
    import numpy as np

    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], np.diff(first, append=len(keys))


def occurrences(counts: npt.NDArray[np.int64]) -> Occurrences:
    """Return how often values occur, from the number of times of each."""
    return Occurrences(rows=int(counts.sum()), once=int((counts == 1).sum()), twice=int((counts == 2).sum()))


def among(keys: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return whether each of some sorted keys is among others, which are sorted as well."""
    import numpy as np

    if not len(known):
        return np.zeros(len(keys), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    found: npt.NDArray[np.bool_] = known[places] == keys
    return found


def false_matches(rows: int, known: int, bits: int = Keys.BITS) -> float:
    """Return how many of some rows are taken for known ones on average because of equal hashes alone."""
    return rows * -math.expm1(-known * 2.0**-bits)
