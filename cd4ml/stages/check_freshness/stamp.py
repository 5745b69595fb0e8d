"""When a table was written last: by a column, by its own metadata, or by the time of its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.engine.connections import table_of
from cd4ml.data.schema.engine.warehouse import columns_of, only_row
from cd4ml.data.tables.by_name import column as by_name
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.moments import are_times, moments
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.places import addresses, dvc
from cd4ml.data.tables.scratch import Folder
from cd4ml.data.tables.source import Source
from cd4ml.data.tables.table import Table
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.git import Checkout
from cd4ml.inputs.vocabulary import LOCAL
from cd4ml.stages.check_freshness.options import Options, Stamp
from cd4ml.wording import nearest

if TYPE_CHECKING:
    import polars as pl

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What is known of when a table was written.

    Attributes:
        stamp: None if what would hold it holds no time.
        where: what it was taken from, for people.
        commits: when rows came into a Delta table, the latest first; of other tables nothing.
    """

    stamp: datetime | None
    where: str
    rows: int
    commits: Sequence[datetime] = ()


def written(name: str, options: Options, checkout: Checkout) -> Written:
    """Return when a table was written last.

    Raises:
        UnavailableError: the table is not there, or cannot be read.
        OptionsError: it has no such column, or one that holds no times; or its files tell nothing of its age.
    """
    if options.backend != LOCAL:
        return _there(name, options)
    table = open_table(name, reading=options.reading)
    source = table.source()
    commits = table.commits()
    kind = _kind(options, own=commits is not None or options.metadata_key is not None)
    if kind is Stamp.COLUMN:
        stamp, where = _latest(source, str(options.column)), f"the latest `{options.column}`"
    elif kind is Stamp.METADATA and commits is not None:
        stamp, where = next(iter(commits), None), "the last commit that brought rows"
    elif kind is Stamp.METADATA:
        stamp, where = _noted(table, options.metadata_key), f"the file's metadata `{options.metadata_key}`"
    else:
        stamp, where = _of_files(name, source, checkout), "the time of the newest file"
    return Written(stamp=stamp, where=where, rows=source.rows, commits=commits or ())


def _kind(options: Options, *, own: bool) -> Stamp:
    """Return what a table's age is counted from.

    Args:
        own: whether it has metadata of its own that tell.
    """
    return options.stamp or (Stamp.COLUMN if options.column else Stamp.METADATA if own else Stamp.FILE)


def _latest(source: Source, name: str) -> datetime | None:
    """Return the latest time in a column."""
    kind = source.schema.get(name)
    if kind is None:
        raise OptionsError(f"column: {source.name} has no column `{name}`{nearest(name, source.schema)}")
    if not are_times([kind]):
        raise OptionsError(f"column: `{name}` of {source.name} holds no times but {kind}")
    found = source.lazy().select(_last(name, kind), _unread(name, kind)).collect(engine="streaming").row(0)
    if found[1]:
        raise OptionsError(f"column: `{name}` of {source.name} holds {found[1]:,} texts that are no time in ISO 8601")
    return None if found[0] is None else _EPOCH + timedelta(microseconds=int(found[0]))


def _last(name: str, kind: pl.DataType) -> pl.Expr:
    """Return the latest time of a column."""
    return moments(name, kind).max().alias("last")


def _unread(name: str, kind: pl.DataType) -> pl.Expr:
    """Return how many values of a column are no times; of one of texts, spaces are none and no value either."""
    import polars as pl

    values = by_name(name)
    given = values.cast(pl.String).str.strip_chars() != "" if family(kind) is Family.TEXT else values.is_not_null()
    return (given & moments(name, kind).is_null()).sum().alias("unread")


def _noted(table: Table, key: str | None) -> datetime | None:
    """Return the latest time that a table's files note of themselves."""
    if key is None:
        raise OptionsError("stamp: metadata of files needs metadata-key")
    notes = table.notes(key)
    if notes is None:
        raise OptionsError(f"stamp: {table.name} has no metadata of its own", advice="Set column, or stamp: file.")
    return max((_read(note, f"{table.name}: the metadata `{key}`") for note in notes), default=None)


def _read(text: bytes, where: str) -> datetime:
    """Return the time that a text is; without an offset it is in UTC."""
    try:
        found = datetime.fromisoformat(text.decode())
    except ValueError as error:
        raise OptionsError(f"{where} is not a time in RFC 3339") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _of_files(name: str, source: Source, checkout: Checkout) -> datetime | None:
    """Return when the newest file was written.

    Raises:
        OptionsError: the files' times are those of a checkout.
    """
    if addresses.is_address(name):
        return addresses.modified(name)
    if dvc.is_pointer(name) or any(checkout.tracks(str(file)) for file in source.files[:1]):
        advice = "Set column, or metadata-key."
        raise OptionsError(f"{name}: the time of its file is that of a checkout, and says nothing", advice=advice)
    return max((_modified(file) for file in source.files), default=None)


def _modified(file: Path) -> datetime:
    """Return when a file was written."""
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError as error:
        raise UnavailableError(f"{file} cannot be read: {error.strerror}.") from error


def _there(name: str, options: Options) -> Written:
    """Return when a table of another engine was written last, as that engine counts it."""
    scratch, column = Folder(), str(options.column)
    table = table_of(options.backend, name, scratch.path, options.reading)
    kind = columns_of(table).get(column)
    if kind is None:
        raise OptionsError(f"column: {name} has no column `{column}`{nearest(column, table.columns)}")
    if family(kind) is Family.TEXT or not are_times([kind]):
        raise OptionsError(f"column: `{column}` of {name} holds no times but {kind}")
    row = only_row(table.aggregate(rows=table.count(), latest=table[column].max()))
    return Written(stamp=_utc(row["latest"]), where=f"the latest `{column}`", rows=int(row["rows"] or 0))


def _utc(found: Any) -> datetime | None:
    """Return a time of another engine in UTC; a day is its first moment."""
    if found is None:
        return None
    if not isinstance(found, datetime):
        assert isinstance(found, date)
        return datetime(found.year, found.month, found.day, tzinfo=UTC)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
