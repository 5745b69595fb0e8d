"""The rows that score-batch scores: of a table, or what a warehouse answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cd4ml.data.schema.engine.connections import table_of, write_answer
from cd4ml.data.tables.header import lacking
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.parts import Parts, parts_of, parts_of_file
from cd4ml.digests import file_sha256
from cd4ml.errors import OptionsError
from cd4ml.model_files.signature import Input
from cd4ml.report import InputDigest
from cd4ml.scoring.batch.staging import ROW_ID
from cd4ml.stages.score_batch.options import LOCAL, Options


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows to be scored.

    Attributes:
        digest: of what they were read from.
        sha256: computes that digest again.
    """

    parts: Parts
    digest: InputDigest
    sha256: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of rows.

    Attributes:
        read: all that are read; `shown` are those for the model.
    """

    read: Sequence[str]
    shown: Sequence[str]


def rows_of(options: Options, folder: Path) -> Rows:
    """Open what the options name.

    Args:
        folder: for rows that are not Parquet yet.

    Raises:
        OptionsError: there are no rows, or they are no table.
        UnavailableError: they cannot be read, or the warehouse does not answer.
    """
    if options.backend != LOCAL:
        return _of_warehouse(options, folder)
    table = open_table(options.data[0], reading=options.reading)
    digest = table.digest("data")
    parts = parts_of(table, options.part_rows, folder)
    return _rows(parts, digest.sha256, table.sha256)


def _of_warehouse(options: Options, folder: Path) -> Rows:
    """Return what a warehouse answers, as it was at one moment."""
    table = None if options.query is not None else table_of(options.backend, options.data[0], folder, options.reading)
    backend = options.backend.partition("@")[0] if "@" in options.backend else options.backend
    name = f"{backend} {'query' if options.query is not None else options.data[0]}"
    path = folder / "answer.parquet"
    write_answer(options.backend, options.query, table, path, options.part_rows)
    return _rows(parts_of_file(path, name, options.part_rows), file_sha256(path), lambda: file_sha256(path))


def _rows(parts: Parts, sha256: str, again: Callable[[], str]) -> Rows:
    """Return rows, unless there are none."""
    if not parts.rows:
        raise OptionsError(f"{parts.name}: the table has no rows")
    digest = InputDigest(name="data", path=parts.name, sha256=sha256, rows=parts.rows)
    return Rows(parts=parts, digest=digest, sha256=again)


def columns_of(parts: Parts, options: Options, signature: Sequence[Input] | None) -> Columns:
    """Return which columns are read.

    Raises:
        OptionsError: the rows lack some.
    """
    there = [str(name) for name in parts.schema.names]
    shown = [one.name for one in signature] if signature else there
    demanded = [one.name for one in signature or () if one.required and one.name not in options.exclude]
    problems = lacking(parts.name, [*demanded, *options.keep, *options.exclude], there)
    if problems:
        raise OptionsError(problems)
    shown = [name for name in shown if name in there and name not in options.exclude]
    ids = [ROW_ID] if ROW_ID in there else []
    return Columns(read=list(dict.fromkeys([*shown, *options.keep, *ids])), shown=shown)
