"""The rows of a table that was found: how they are read."""

from __future__ import annotations

from cd4ml.data.tables.dialect import Dialect, Reading
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.source import Source
from cd4ml.project.findings import TableFile


def reading(table: TableFile) -> Reading:
    """Return how a table is to be read."""
    written = table.dialect
    delimiter = mark(written.delimiter) if written.delimiter else None
    return Reading(dialect=Dialect(delimiter=delimiter, decimal=written.decimal, encoding=written.encoding))


def mark(delimiter: str) -> str:
    """Return a delimiter as it stands in the file; `tab` is a word for one."""
    return "\t" if delimiter == "tab" else delimiter


def source(table: TableFile) -> Source:
    """Return the rows of a table.

    Raises:
        OptionsError, UnavailableError: it cannot be read as one.
    """
    return open_table(table.name, reading=reading(table)).source()
