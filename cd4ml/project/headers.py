"""The header of a table: its columns, and how a CSV file is written, from its first bytes alone."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
import stat
from pathlib import Path
from typing import Final

from cd4ml.data.tables.dialect import is_tabbed
from cd4ml.data.tables.formats.arrow import ARROW
from cd4ml.data.tables.formats.csv.table import CSV
from cd4ml.data.tables.formats.parquet.files import PARQUET
from cd4ml.project.findings import Dialect, TableFile

ENDINGS: Final = (*PARQUET, *CSV, *ARROW)
_HEAD: Final = 1 << 16
_DELIMITERS: Final = ",;\t|"
_MARKS: Final = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"))
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_LEGACY: Final = "cp1252"


def read(name: str, path: Path) -> TableFile:
    """Return a table as its header describes it.

    Raises:
        ValueError: it has none; the text says why.
    """
    try:
        size = _size(path)
        if path.name.endswith(CSV):
            columns, dialect = _csv(path)
        else:
            columns, dialect = _arrow(path), Dialect()
    except (OSError, EOFError) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error) or "it cannot be read") from error
    if not columns or not any(columns):
        raise ValueError("it has no columns")
    return TableFile(name=name, path=path.as_posix(), columns=columns, bytes=size, dialect=dialect)


def _size(path: Path) -> int:
    """Return the size of a regular file."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a regular file")
    return found.st_size


def _arrow(path: Path) -> tuple[str, ...]:
    """Return the columns of a Parquet or Arrow file."""
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet

    try:
        if path.name.endswith(PARQUET):
            return tuple(pyarrow.parquet.read_schema(path).names)
        with pa.memory_map(str(path)) as mapped:
            return tuple(pyarrow.ipc.open_file(mapped).schema.names)
    except (pa.ArrowException, OSError) as error:
        raise ValueError("not a file of its kind") from error


def _csv(path: Path) -> tuple[tuple[str, ...], Dialect]:
    """Return the columns of a CSV file, and how it is written."""
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
        head = stream.read(_HEAD)
    text, encoding = _decoded(head)
    if "\0" in text:
        raise ValueError("not a text")
    lines = text.splitlines()
    if not lines:
        raise ValueError("it is empty")
    usual = "\t" if is_tabbed(path) else ","
    most = max(_DELIMITERS, key=lambda mark: (lines[0].count(mark), mark == usual))
    delimiter = most if lines[0].count(most) else usual
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines[:200])), delimiter=delimiter))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    cells = [cell for row in rows[1:] for cell in row]
    comma = delimiter != "," and any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
    dialect = Dialect(
        delimiter=None if delimiter == usual else "tab" if delimiter == "\t" else delimiter,
        decimal="," if comma else None,
        encoding=encoding,
    )
    return tuple(rows[0]), dialect


def _decoded(head: bytes) -> tuple[str, str | None]:
    """Return a text, and its encoding if that must be declared."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return head.decode(name, "ignore"), None
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head), None
    except UnicodeDecodeError:
        return head.decode(_LEGACY, "replace"), _LEGACY
