"""Rows by the value of a feature and by group of a sensitive one: what proxies are read from.

Numbers of many different values are counted in bins. Where these lie is read from a sample of the values; every row is
counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.groups import MISSING, MOST_GROUPS, MOST_NUMERIC_GROUPS, as_groups
from cd4ml.data.tables.by_name import values
from cd4ml.data.tables.columns import Family, as_array, family, sample
from cd4ml.data.tables.frames import frames
from cd4ml.data.tables.header import lacking
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Counts = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.int64]

MOST_BINS: Final = 1_024
MOST_VALUES: Final = 10_000
_NUMBERS: Final = (Family.NUMBER, Family.TIME)
_TEXTS: Final = (Family.TEXT, Family.BOOLEAN)
# Different values as they are stored, of which several may be one group: `a` and `a `.
_MOST_STORED: Final = 10 * MOST_GROUPS


@dataclass(frozen=True, kw_only=True)
class Crosstab:
    """The rows of a feature by its value and by group of an attribute.

    Attributes:
        ordered: whether values are numbers, the lowest first; then rows without one are in no cell.
        counts: shape (values, groups).
    """

    feature: str
    attribute: str
    ordered: bool
    groups: Sequence[str]
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class Crosstabs:
    """All tables, and why there is none of a feature, by its name."""

    tables: Sequence[Crosstab]
    unread: Mapping[str, str]
    rows: int


def crosstabs(
    source: Source, attributes: Sequence[str], bins: Mapping[str, str], *, left_out: Collection[str] = ()
) -> Crosstabs:
    """Count every column of a table against every attribute, but for an attribute against itself.

    Args:
        attributes: sensitive features, columns of the table.
        bins: edges by attribute, for numeric ones.
        left_out: columns that are no features.

    Raises:
        OptionsError: an attribute is not a column, or is a quantity without edges; the table has no rows.
    """
    names = list(source.schema)
    problems = [*lacking(source.name, [*attributes, *left_out], names)]
    problems += [] if source.rows else [f"{source.name}: the table has no rows"]
    if problems:
        raise OptionsError(problems)
    kinds = {name: family(source.schema[name]) for name in names if name not in left_out}
    unread = {name: "its type cannot be compared" for name, kind in kinds.items() if kind not in (*_NUMBERS, *_TEXTS)}
    numbers = [name for name, kind in kinds.items() if kind in _NUMBERS]
    with refused(source.name):
        edges = {name: _edges(found) for name, found in sample(source, numbers).items()}
        features: dict[str, _Numbers | _Values] = {
            name: _Numbers(edges[name]) if name in edges else _Values(MOST_VALUES)
            for name in kinds
            if name not in unread
        }
        groups = {name: _Values(_MOST_STORED) for name in attributes}
        pairs = {(name, attribute): _Pair() for name in features for attribute in groups if name != attribute}
        read = list(dict.fromkeys([*features, *groups]))
        for frame in frames(source, read):
            _count(frame, features, groups, pairs, bins)
    unread |= {name: f"more than {MOST_VALUES:,} different values" for name, one in features.items() if one.many}
    named = {name: _names(name, found.known, bins.get(name)) for name, found in groups.items()}
    tables = [
        table
        for (name, attribute), pair in pairs.items()
        if name not in unread
        for table in _tables(name, attribute, features[name], pair, named[attribute])
    ]
    return Crosstabs(tables=tables, unread=unread, rows=source.rows)


def _edges(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return where numbers are cut: at each different one if they are few, else so that all bins have as many rows."""
    import numpy as np

    different = np.unique(found)
    if len(different) <= MOST_BINS:
        return different[1:]
    return np.unique(np.quantile(found, np.arange(1, MOST_BINS) / MOST_BINS, method="lower"))


def _count(
    frame: pl.DataFrame,
    features: Mapping[str, _Numbers | _Values],
    groups: Mapping[str, _Values],
    pairs: Mapping[tuple[str, str], _Pair],
    bins: Mapping[str, str],
) -> None:
    """Count a batch of rows."""
    of_groups = {}
    for name, known in groups.items():
        of_groups[name] = known.codes(_cut(values(frame, name), name, bins.get(name)))
        if known.many:
            _names(name, known.known, None)
            raise OptionsError(f"sensitive feature `{name}` has too many different values to compare")
    for name, feature in features.items():
        codes = None if feature.many else feature.codes(values(frame, name))
        for attribute in groups:
            if codes is not None and not feature.many and name != attribute:
                pairs[name, attribute].add(codes, feature.size, of_groups[attribute], len(groups[attribute].known))


def _cut(series: pl.Series, name: str, edges: str | None) -> pl.Series:
    """Return the bins of numbers that are cut, by name; else the values as they are."""
    if edges is None or not series.dtype.is_numeric():
        return series
    import polars as pl

    from cd4ml.data.predictions.groups import bin_names, bin_positions

    positions = bin_positions(series.cast(pl.Float64).to_numpy(), name, edges)
    return pl.Series("values", bin_names(name, edges)).gather(positions)


def _names(name: str, known: Mapping[object, int], edges: str | None) -> list[str]:
    """Return the group of each stored value of an attribute."""
    import pandas as pd

    stored = pd.Series(list(known))
    cut = edges is not None and not stored.map(lambda value: isinstance(value, str)).any()
    return as_groups(stored, name, edges if cut else None).tolist()


class _Numbers:
    """Puts numbers into bins; rows without one into the last."""

    many = False

    def __init__(self, edges: npt.NDArray[np.float64]) -> None:
        self.edges = edges
        # Few different numbers are names as often as quantities: they are compared as categories.
        self.ordered = len(edges) >= MOST_NUMERIC_GROUPS
        self.size = len(edges) + 2

    def codes(self, series: pl.Series) -> Codes:
        """Return the bin of each row."""
        import numpy as np
        import polars as pl

        numbers = _as_floats(series, pl)
        found = np.searchsorted(self.edges, numbers, side="right")
        found[~np.isfinite(numbers)] = self.size - 1
        return found


def _as_floats(series: pl.Series, pl: Any) -> npt.NDArray[np.float64]:
    """Return numbers, or times in microseconds, as `sample` has them; not-a-number where there is none."""
    if series.dtype == pl.Time:
        series = series.to_physical() // 1000
    elif series.dtype == pl.Duration:
        series = series.dt.total_microseconds()
    elif series.dtype.is_temporal():
        series = series.dt.epoch("us")
    found: npt.NDArray[np.float64] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return found


class _Values:
    """Gives each different value a number, in the order in which they come."""

    ordered = False

    def __init__(self, most: int) -> None:
        self.known: dict[object, int] = {}
        self.most = most

    @property
    def many(self) -> bool:
        """Whether there are too many of them."""
        return len(self.known) > self.most

    @property
    def size(self) -> int:
        """Different values so far."""
        return len(self.known)

    def codes(self, series: pl.Series) -> Codes:
        """Return the number of each row's value."""
        import numpy as np
        import pyarrow.compute as pc

        encoded = series.to_arrow().dictionary_encode()
        stored = [*encoded.dictionary.to_pylist(), None]
        own = np.array([-1 if self.many else self.known.setdefault(_key(value), self.size) for value in stored[:-1]])
        places = as_array(pc.fill_null(encoded.indices, len(stored) - 1))
        if encoded.null_count:
            own = np.append(own, self.known.setdefault(None, self.size))
        codes: Codes = own[places].astype(np.int64)
        return codes


def _key(value: object) -> object:
    """Return a value as a key: not-a-number is no value."""
    return None if isinstance(value, float) and value != value else value


class _Pair:
    """The counts of a feature and an attribute, which grow with their values."""

    def __init__(self) -> None:
        import numpy as np

        self.counts: Counts = np.zeros((0, 0), dtype=np.int64)

    def add(self, codes: Codes, size: int, groups: Codes, count: int) -> None:
        """Count a batch."""
        import numpy as np

        found = np.bincount(codes * count + groups, minlength=size * count).reshape(size, count)
        rows, known = self.counts.shape
        found[:rows, :known] += self.counts
        self.counts = found


def _tables(
    name: str, attribute: str, feature: _Numbers | _Values, pair: _Pair, names: Sequence[str]
) -> Iterator[Crosstab]:
    """Yield the table of a feature, and, of numbers that some rows lack, that of whether they do."""
    import numpy as np

    groups = sorted(set(names))
    counts = np.zeros((len(pair.counts), len(groups)), dtype=np.int64)
    for place, group in enumerate(names[: pair.counts.shape[1]]):
        counts[:, groups.index(group)] += pair.counts[:, place]
    if not feature.ordered:
        yield Crosstab(feature=name, attribute=attribute, ordered=False, groups=groups, counts=counts)
        return
    yield Crosstab(feature=name, attribute=attribute, ordered=True, groups=groups, counts=counts[:-1])
    if counts[-1].any():
        either = np.stack([counts[:-1].sum(axis=0), counts[-1]])
        yield Crosstab(feature=f"{name} {MISSING}", attribute=attribute, ordered=False, groups=groups, counts=either)
