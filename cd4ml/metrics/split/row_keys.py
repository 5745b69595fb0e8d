"""Many hashes of rows, kept in little memory, and what they say: how often values occur, and which are among others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Of the 64 bits of a packed key, how many are of what is compared; the others are of what is beside it.
COMPARED_BITS: Final = 48
_BESIDE_BITS: Final = 64 - COMPARED_BITS
_BLOCK: Final = 1 << 20
_SOUGHT: Final = 1 << 12


def packed(compared: npt.NDArray[np.uint64], beside: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return one key of two hashes, shape (n,): 48 bits of what is compared, then 16 of what is beside it."""
    import numpy as np

    low = np.uint64(_BESIDE_BITS)
    keys = np.left_shift(np.right_shift(compared, low), low)
    keys |= np.right_shift(beside, np.uint64(COMPARED_BITS))
    return keys


def compared_of(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return of packed keys what is compared; their order stays."""
    import numpy as np

    return np.right_shift(keys, np.uint64(_BESIDE_BITS))


def false_matches(rows: int, known: int, bits: int = COMPARED_BITS) -> float:
    """Return how many of some rows are taken for known ones on average because of equal hashes alone."""
    return rows * -math.expm1(-known * 2.0**-bits)


class Keys:
    """One key of each row of a table: 8 bytes a row."""

    def __init__(self, rows: int) -> None:
        import numpy as np

        self._keys = np.empty(rows, dtype=np.uint64)
        self._filled = 0

    def add(self, keys: npt.NDArray[np.uint64]) -> None:
        """Keep the keys of more rows."""
        self._keys[self._filled : self._filled + len(keys)] = keys
        self._filled += len(keys)

    def sorted(self) -> npt.NDArray[np.uint64]:
        """Return all keys in their order, shape (n,); no more are added after this."""
        self._keys = self._keys[: self._filled]
        self._keys.sort()
        return self._keys

    def narrowed(self) -> npt.NDArray[np.uint64]:
        """Return what is compared of packed keys, sorted, in their place: afterwards they are packed no more."""
        import numpy as np

        return np.right_shift(self._keys, np.uint64(_BESIDE_BITS), out=self._keys)


@dataclass(frozen=True, kw_only=True)
class Multiplicities:
    """How often the values of a column of keys occur.

    Attributes:
        values: how many different values occur so often, by the number of times.
    """

    values: dict[int, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(times * n for times, n in self.values.items())

    @property
    def once(self) -> int:
        """Values that occur once."""
        return self.values.get(1, 0)

    @property
    def twice(self) -> int:
        """Values that occur twice."""
        return self.values.get(2, 0)

    @property
    def pairs(self) -> int:
        """Ordered pairs of two rows with equal values."""
        return sum(times * (times - 1) * n for times, n in self.values.items())

    def repeated_among(self, rows: int) -> float:
        """Return which share of a sample of so many of these rows has an equal one in the sample, on average.

        Source:
            Rarefaction: Hurlbert (1971), Ecology 52:577.
        """
        if self.rows < 2:
            return 0.0
        others = min(1.0, (rows - 1) / (self.rows - 1))
        alone = sum(times * n * (1 - others) ** (times - 1) for times, n in self.values.items())
        return 1 - alone / self.rows


def multiplicities(keys: npt.NDArray[np.uint64]) -> Multiplicities:
    """Return how often the values of sorted keys occur."""
    import numpy as np

    found: dict[int, int] = {}
    begin = 0
    for ends in _ends(keys):
        lengths, numbers = np.unique(np.diff(ends, prepend=begin), return_counts=True)
        for times, n in zip(lengths.tolist(), numbers.tolist(), strict=True):
            found[times] = found.get(times, 0) + n
        begin = int(ends[-1])
    return Multiplicities(values=found)


def _ends(keys: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.intp]]:
    """Yield where runs of equal ones among sorted keys end, block by block."""
    import numpy as np

    for start in range(0, len(keys), _BLOCK):
        block = keys[start : start + _BLOCK + 1]
        ends = np.flatnonzero(block[1:] != block[:-1]) + start + 1
        if start + _BLOCK >= len(keys):
            ends = np.append(ends, len(keys))
        if len(ends):
            yield ends


def are_among(keys: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return whether each of some sorted keys is among others, which are sorted as well."""
    import numpy as np

    found = np.zeros(len(keys), dtype=np.bool_)
    for start in range(0, len(keys), _SOUGHT):
        block = keys[start : start + _SOUGHT]
        first, last = np.searchsorted(known, block[[0, -1]])
        near = known[first : last + 1]  # few enough for the processor's cache
        if len(near):
            places = np.minimum(np.searchsorted(near, block), len(near) - 1)
            np.equal(near[places], block, out=found[start : start + _SOUGHT])
    return found


class SampledKeys:
    """Packed keys of the rows whose compared hash falls into one class in `every`, with how often each occurs.

    Two tables keep the same classes, so that what equals a kept key is kept as well: shares are those of all rows, up
    to chance. Different keys are kept, not rows, so that a table of few values takes no memory.

    Attributes:
        every: a power of 2.
    """

    def __init__(self, every: int) -> None:
        import numpy as np

        self.every = every
        self._waiting: list[npt.NDArray[np.uint64]] = []
        self._keys = np.empty(0, dtype=np.uint64)
        self._counts = np.empty(0, dtype=np.uint32)

    def add(self, compared: npt.NDArray[np.uint64], beside: npt.NDArray[np.uint64]) -> None:
        """Keep the keys of more rows."""
        import numpy as np

        if self.every > 1:
            kept = np.flatnonzero(compared & np.uint64(self.every - 1 << 20) == 0)
            compared, beside = compared[kept], beside[kept]
        self._waiting.append(packed(compared, beside))
        if sum(map(len, self._waiting)) > max(_BLOCK >> 2, len(self._keys)):
            self._counted()

    def _counted(self) -> None:
        """Count what waits."""
        import numpy as np

        keys, numbers = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._waiting = []
        keys = np.concatenate([self._keys, keys])
        counts = np.concatenate([self._counts, numbers.astype(np.uint32)])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else order
        self._keys = keys[first]
        self._counts = np.add.reduceat(counts, first) if len(first) else counts

    def items(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
        """Return the different keys, sorted, and how often each occurs, both of shape (n,)."""
        if self._waiting:
            self._counted()
        return self._keys, self._counts
