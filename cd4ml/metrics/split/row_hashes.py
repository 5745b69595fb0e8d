"""Rows as numbers: equal rows have equal hashes, whatever types the two tables store their columns in.

The hash of a row is the sum, modulo 2^64, of a hash of each of its values that is seeded with the column's name. So the
hash of a row without one of its columns is a subtraction away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.columns import Family, family

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

# Bits of a 64-bit number behind the point, and how many of them are kept when it is rounded.
_MANTISSA: Final = 52
_BITS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Comparable:
    """A column that two tables have, with the types in which they store it."""

    name: str
    types: tuple[pl.DataType, pl.DataType]

    @property
    def kind(self) -> Family | None:
        """What its values are compared as; None where those of one table can equal none of the other."""
        first, second = (family(kind) for kind in self.types)
        if Family.EMPTY in (first, second):
            first = second = first if second is Family.EMPTY else second
        return first if first is second and first is not Family.OTHER else None

    @property
    def whole(self) -> bool:
        """Whether both tables store whole numbers."""
        return all(kind.is_integer() or family(kind) is Family.EMPTY for kind in self.types)

    def values(self) -> pl.Expr:
        """Return the values in a type that both tables' values fit, with one way to write each of them."""
        import polars as pl

        own = column(self.name)
        match self.kind:
            case Family.NUMBER:
                return self._numbers()
            case Family.TIME if any(kind == pl.Duration or kind == pl.Time for kind in self.types):
                return own.to_physical() if self.types[0] == self.types[1] else own.cast(pl.String)
            case Family.TIME:
                return own.cast(pl.Datetime("us")) if pl.Null in self.types else own.dt.epoch("us")
            case Family.TEXT:
                return own.cast(pl.String)
        return own.cast(pl.Boolean) if self.kind is Family.BOOLEAN else own

    def broken(self) -> pl.Expr:
        """Return numbers that need not be whole, as 64-bit numbers with their gaps."""
        import polars as pl

        return column(self.name).cast(pl.Float64)

    def _numbers(self) -> pl.Expr:
        """Return numbers: whole ones exactly, others as narrow as the narrower type; gaps are null."""
        import polars as pl

        own = column(self.name)
        if self.whole:
            return own.cast(pl.Int64, wrap_numerical=True)
        narrow = any(kind == pl.Float32 for kind in self.types)
        return own.cast(pl.Float32 if narrow else pl.Float64).fill_nan(None)


def compared(train: Mapping[str, pl.DataType], test: Mapping[str, pl.DataType], aside: Sequence[str]) -> Columns:
    """Return the columns of both tables that are compared, but for some.

    Args:
        train, test: Polars' type by column.
    """
    both = [
        Comparable(name=name, types=(kind, test[name]))
        for name, kind in train.items()
        if name in test and name not in aside
    ]
    alike = [one for one in both if one.kind is not None]
    return Columns(
        compared=alike,
        unlike=[one.name for one in both if one.kind is None],
        missing=[
            name for name in dict.fromkeys((*train, *test)) if (name in train) != (name in test) and name not in aside
        ],
    )


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of two tables are compared.

    Attributes:
        unlike: those of both tables whose types have no value in common.
        missing: those that one table has.
    """

    compared: Sequence[Comparable]
    unlike: Sequence[str]
    missing: Sequence[str]

    @property
    def names(self) -> list[str]:
        """The names of those that are compared."""
        return [one.name for one in self.compared]


def hashes(rows: pl.DataFrame, columns: Sequence[Comparable]) -> list[npt.NDArray[np.uint64]]:
    """Return the hash of each value, shape (n,), by column."""
    found = rows.select(one.values().hash(_seed(one.name)).alias(str(at)) for at, one in enumerate(columns))
    return [part.to_numpy() for part in found.iter_columns()]


def _seed(name: str) -> int:
    """Return the seed of a column's hashes."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def added(parts: Sequence[npt.NDArray[np.uint64]], rows: int) -> npt.NDArray[np.uint64]:
    """Return the hash of each row from those of its values."""
    import numpy as np

    total = np.zeros(rows, dtype=np.uint64)
    for part in parts:
        np.add(total, part, out=total)  # wraps around
    return total


def near_hashes(
    rows: pl.DataFrame, columns: Sequence[Comparable], exact: Sequence[npt.NDArray[np.uint64]]
) -> list[npt.NDArray[np.uint64]]:
    """Return the hash of each value as it is written carelessly, shape (n,), by column.

    Numbers that need not be whole are rounded to three significant digits (10 bits); texts lose their case, their way
    to encode characters (Unicode NFKC) and all but one of the spaces between words.

    Args:
        exact: the hashes of the values themselves, which are those of all other types too.
    """
    found = list(exact)
    for at, one in enumerate(columns):
        if one.kind is Family.TEXT:
            found[at] = _of_texts(rows.select(one.values().alias("text")).to_series(), _seed(one.name))
    broken = [at for at, one in enumerate(columns) if one.kind is Family.NUMBER and not one.whole]
    numbers = rows.select(columns[at].broken().alias(str(at)) for at in broken)
    for at, values in zip(broken, numbers.iter_columns(), strict=True):
        found[at] = _mixed(_rounded(values.to_numpy()), _seed(columns[at].name))
    return found


def _rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """Return rounded numbers as they lie in memory; all that are none are the same."""
    import numpy as np

    bits = (values + 0.0).view(np.uint64)
    half, kept = 1 << (_MANTISSA - _BITS - 1), -1 << (_MANTISSA - _BITS)
    bits += np.uint64(half)
    bits &= np.uint64(kept & (1 << 64) - 1)
    bits[np.isnan(values)] = np.uint64((1 << 64) - 1)
    return bits


def _mixed(bits: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Return numbers as hashes, in their place: the finalizer of SplitMix64, from a seed."""
    import numpy as np

    bits += np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    return bits


def _of_texts(texts: pl.Series, seed: int) -> npt.NDArray[np.uint64]:
    """Return hashes of texts as they are written carelessly; each different one is looked at once."""
    import numpy as np
    import polars as pl

    coded = texts.cast(pl.Categorical(pl.Categories.random()))
    different = coded.unique().drop_nulls()
    plain = different.cast(pl.String).str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ")
    by_code = np.empty(len(different) + 1, dtype=np.uint64)
    codes = coded.to_physical().fill_null(len(different)).to_numpy()
    by_code[different.to_physical().to_numpy()] = plain.str.strip_chars().hash(seed).to_numpy()
    by_code[len(different)] = pl.Series([None], dtype=pl.String).hash(seed)[0]
    found: npt.NDArray[np.uint64] = by_code[codes]
    return found
