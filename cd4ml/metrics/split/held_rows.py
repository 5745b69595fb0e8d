"""Rows of a table that are held in memory: all of them or, of more than a bound, a sample drawn evenly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.columns import Family, family

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS: Final = 100_000
# Of many columns fewer rows are held, but never fewer than the least.
_MOST_VALUES: Final = 4_000_000
_LEAST_ROWS: Final = 10_000
# Of a long text its beginning.
_CHARACTERS: Final = 64
_SEED: Final = 0


def most_rows(columns: int) -> int:
    """Return how many rows of so many columns are held at most."""
    return max(_LEAST_ROWS, min(MOST_ROWS, _MOST_VALUES // max(1, columns)))


class HeldRows:
    """Rows drawn without replacement, the same ones in every run."""

    def __init__(self, rows: int, names: Sequence[str]) -> None:
        """Choose which of a table's rows to hold, and of which columns."""
        most = most_rows(len(names))
        self._names = names
        self._chosen = None
        if rows > most:
            self._chosen = np.sort(np.random.default_rng(_SEED).choice(rows, size=most, replace=False, shuffle=False))
        self._seen = 0
        self._parts: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Keep those of the next rows that are chosen."""
        import polars as pl

        start, self._seen = self._seen, self._seen + len(rows)
        if self._chosen is not None:
            low, high = np.searchsorted(self._chosen, [start, self._seen])
            if low == high:
                return
            rows = rows[self._chosen[low:high] - start]
        texts = {name for name in self._names if family(rows.schema[name]) is Family.TEXT}
        self._parts.append(
            rows.select(
                column(name).cast(pl.String).str.slice(0, _CHARACTERS) if name in texts else column(name)
                for name in self._names
            )
        )

    def frame(self) -> pl.DataFrame:
        """Return the rows that are held."""
        import polars as pl

        return pl.concat(self._parts)
