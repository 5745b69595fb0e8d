"""The offline table of features: a row for each entity and event, of any kind that `open_table` opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.data.features.scalars import readable
from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.moments import are_times, moments
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.feature_store import layout
from cd4ml.wording import nearest

if TYPE_CHECKING:
    import polars as pl

# Of the rows as they are read here; features are called `f0`, `f1` …, for a table's own names may be any.
ENTITY: Final = "entity"
MOMENT: Final = "moment"
LATEST: Final = "latest.parquet"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Entities with their moment in microseconds and their features.
Batch = list[tuple[int | str, int, Sequence[object]]]
_ROWS_AT_ONCE: Final = 10_000
# What one entity may have: a hash is written by one call, whose arguments Redis bounds.
_MOST: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Offline:
    """An offline table whose columns are what they must be.

    Attributes:
        entity, timestamp: names of columns.
        features: names of the features' columns, in their order.
    """

    source: Source
    entity: str
    timestamp: str
    features: Sequence[str]

    @property
    def entity_type(self) -> pl.DataType:
        """The type of what names entities, as `frame` has it: a whole number or a text."""
        import polars as pl

        return pl.Int64() if self.source.schema[self.entity].is_integer() else pl.String()

    def frame(self) -> pl.LazyFrame:
        """Return the rows: entity, moment in microseconds since 1970, and the features as `f0`, `f1` …"""
        expressions = [
            column(self.entity).cast(self.entity_type).alias(ENTITY),
            moments(self.timestamp, self.source.schema[self.timestamp]).alias(MOMENT),
            *(column(name).alias(label) for name, label in zip(self.features, self.labels, strict=True)),
        ]
        return self.source.lazy().select(expressions)

    @property
    def labels(self) -> list[str]:
        """What the features are called in `frame`."""
        return [f"f{place}" for place in range(len(self.features))]


@dataclass(frozen=True, kw_only=True)
class Latest:
    """The latest row of each entity, in a file.

    Attributes:
        rows: of the table.
        later: those of them that came after the moment up to which it was read.
        entities: that have a row up to then.
    """

    path: Path
    rows: int
    later: int
    entities: int

    def batches(self) -> Iterator[Batch]:
        """Yield entities, some at a time."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                entities, stamps, *features = (values.to_pylist() for values in batch.columns)
                yield list(zip(entities, stamps, zip(*features, strict=True), strict=True))


def opened(
    path: str, *, entity: str, timestamp: str, features: Sequence[str], leave: Sequence[str] = (), reading: Reading
) -> Offline:
    """Open an offline table.

    Args:
        features: columns; none for all but the others and those to `leave`.

    Raises:
        UnavailableError: it is not there, or cannot be read.
        OptionsError: a column is missing or of a type that it must not have, or a row names no entity or moment.
    """
    source = open_table(path, hashed=True, reading=reading).source()
    problems = [
        f"{option}: {source.name} has no column `{name}`{nearest(name, source.schema)}"
        for option, names in (("entity", [entity]), ("timestamp", [timestamp]), ("features", features))
        for name in names
        if name not in source.schema
    ]
    if problems:
        raise OptionsError(problems)
    known = {entity, timestamp, *leave}
    taken = list(features or (name for name in source.schema if name not in known))
    found = Offline(source=source, entity=entity, timestamp=timestamp, features=taken)
    if problems := [*_of_types(found), *_of_features(found)]:
        raise OptionsError(problems)
    _refuse_gaps(found)
    return found


def _of_types(found: Offline) -> Iterator[str]:
    """Yield what is wrong with the types of entity and timestamp."""
    entity, moment = found.source.schema[found.entity], found.source.schema[found.timestamp]
    if not entity.is_integer() and family(entity) is not Family.TEXT:
        yield f"entity: `{found.entity}` must hold whole numbers or texts, not {entity}"
    if not are_times([moment]):
        yield f"timestamp: `{found.timestamp}` must hold times, not {moment}"


def _of_features(found: Offline) -> Iterator[str]:
    """Yield what is wrong with the features."""
    if not 1 <= len(found.features) <= _MOST:
        yield f"features: there must be 1 to {_MOST:,}, got {len(found.features):,}"
    for name in found.features:
        if name in (found.entity, found.timestamp):
            yield f"features: `{name}` names the entity or the moment, and is no feature"
        elif name.startswith(layout.RESERVED):
            yield f"features: no feature may begin with {layout.RESERVED}: `{name}`"
        elif not readable(found.source.schema[name]):
            yield f"features: `{name}` is of type {found.source.schema[name]}; cast it, or leave it out"


def _refuse_gaps(found: Offline) -> None:
    """Refuse rows that name no entity, or no moment."""
    import polars as pl

    counts = found.frame().select(pl.col(ENTITY).is_null().sum(), pl.col(MOMENT).is_null().sum())
    with refused(found.source.name):
        entities, stamps = counts.collect(engine="streaming").row(0)
    problems = [f"{entities:,} rows have no `{found.entity}`"] if entities else []
    problems += [f"`{found.timestamp}` is no time in {stamps:,} rows"] if stamps else []
    if problems:
        raise OptionsError([f"{found.source.name}: {problem}" for problem in problems])


def latest(offline: Offline, until: datetime, folder: Path) -> Latest:
    """Return the latest row of each entity up to a moment: what was known then.

    Args:
        folder: where they are written; it must be there as long as they are read.

    Raises:
        OptionsError: an entity has several rows of its latest moment that differ: which of them holds is unknown.
    """
    import polars as pl

    frame = offline.frame()
    known = frame.filter(pl.col(MOMENT) <= microseconds(until))
    newest = known.group_by(ENTITY).agg(pl.col(MOMENT).max())
    path = folder / LATEST
    with refused(offline.source.name):
        known.join(newest, on=[ENTITY, MOMENT], how="semi").unique().sink_parquet(path)
        written = pl.scan_parquet(path).select(pl.len(), pl.col(ENTITY).n_unique().alias("entities"))
        rows, entities = written.collect(engine="streaming").row(0)
        later = frame.select((pl.col(MOMENT) > microseconds(until)).sum()).collect(engine="streaming").item()
    if rows > entities:
        told = f"{rows - entities:,} entities have several rows of their latest `{offline.timestamp}` that differ"
        raise OptionsError(f"{offline.source.name}: {told}", advice="Keep one row for each entity and time.")
    return Latest(path=path, rows=offline.source.rows, later=later, entities=entities)


def microseconds(moment: datetime) -> int:
    """Return a moment as `frame` counts it."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(stamp: int) -> datetime:
    """Return the moment that `frame` counts so."""
    return _EPOCH + timedelta(microseconds=stamp)
