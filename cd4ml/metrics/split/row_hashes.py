"""Rows as numbers: equal rows have equal hashes, whatever types the two tables store their columns in.

The hash of a row is the sum, modulo 2^64, of a hash of each of its values that is seeded with the column's name. So the
hash of a row without one of its columns is a subtraction away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.by_name import values as values_of
from cd4ml.data.tables.columns import Family, as_array, family
from cd4ml.metrics.split.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl
    import pyarrow as pa

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


def hashes(rows: Rows, columns: Sequence[Comparable]) -> list[npt.NDArray[np.uint64]]:
    """Return the hash of each value, shape (n,), by column."""
    plain = [at for at, one in enumerate(columns) if one.kind is not Family.TEXT]
    computed = rows.frame.select(columns[at].values().hash(_seed(columns[at].name)).alias(str(at)) for at in plain)
    found = dict(zip(plain, (part.to_numpy() for part in computed.iter_columns()), strict=True))
    return [
        found[at] if at in found else _of_texts(rows.coded(one.name), rows.texts(one.name), _seed(one.name))
        for at, one in enumerate(columns)
    ]


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
    rows: Rows, columns: Sequence[Comparable], exact: Sequence[npt.NDArray[np.uint64]]
) -> list[npt.NDArray[np.uint64]]:
    """Return the hash of each value as it is written carelessly, shape (n,), by column.

    Numbers that need not be whole are rounded to three significant digits (10 bits); texts lose their case, their way
    to encode characters (Unicode NFKC) and all but one of the spaces between words.

    Args:
        exact: the hashes of the values themselves, which are those of all other types too.
    """
    import polars as pl

    found = list(exact)
    plain = _carelessly([rows.texts(one.name) for one in columns if one.kind is Family.TEXT])
    for at, one in enumerate(columns):
        if one.kind is Family.TEXT:
            found[at] = _of_texts(rows.coded(one.name), next(plain), _seed(one.name))
        elif one.kind is Family.NUMBER and not one.whole:
            numbers = values_of(rows.frame, one.name).cast(pl.Float64).to_numpy()
            found[at] = _mixed(_rounded(numbers), _seed(one.name))
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


def _of_texts(coded: pa.DictionaryArray[Any, Any], texts: pl.Series, seed: int) -> npt.NDArray[np.uint64]:
    """Return the hash of the text that each row has, given all of them in the order of their codes."""
    import numpy as np
    import polars as pl

    by_code = np.empty(len(texts) + 1, dtype=np.uint64)
    by_code[:-1] = texts.hash(seed).to_numpy()
    by_code[-1] = pl.Series([None], dtype=pl.String).hash(seed)[0]
    codes = coded.indices.cast("int64").fill_null(len(texts)) if coded.null_count else coded.indices
    found: npt.NDArray[np.uint64] = by_code[as_array(codes)]
    return found


def _carelessly(columns: Sequence[pl.Series]) -> Iterator[pl.Series]:
    """Yield texts without what a careless writer changes, column by column; all are worked on at once."""
    import polars as pl

    if not columns:
        return
    together = pl.concat(columns, rechunk=True).str.normalize("NFKC").str.to_lowercase()
    together = together.str.replace_all(r"\s+", " ").str.strip_chars()
    start = 0
    for texts in columns:
        yield together.slice(start, len(texts))
        start += len(texts)
