"""Opening the predictions table, which score-model writes, and what can be known of one that is not read yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from cd4ml.data.predictions.table import EVERY, is_standard, lacking_columns, no_column, standard_names
from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.header import header, present
from cd4ml.data.tables.opening import is_stored, open_table
from cd4ml.data.tables.table import Table
from cd4ml.errors import OptionsError, UnavailableError

T = TypeVar("T")


def open_predictions(written: str, *, reading: Reading | None = None) -> Table:
    """Open a predictions table.

    Raises:
        UnavailableError, OptionsError: as `open_table` does.
    """
    return _there(written, lambda: open_table(written, reading=reading))


def refuse_absent(written: str) -> None:
    """Refuse predictions that are not there.

    Raises:
        UnavailableError, OptionsError: as `open_predictions` does.
    """
    _there(written, lambda: present(written))


def _there(written: str, look: Callable[[], T]) -> T:
    """Return what a look at a table gives; one that is not there was not written by score-model."""
    try:
        return look()
    except UnavailableError as error:
        if is_stored(written):
            raise
        raise UnavailableError(error.message, advice=f"score-model writes it: was it run? {error.advice}") from error


def header_of(
    written: str, reading: Reading, columns: Mapping[str, str], *, wanted: Collection[str], needed: Sequence[str]
) -> Collection[str] | None:
    """Return the columns of a predictions table by their standard names, None if its header does not say them.

    Args:
        columns: the table's own name by standard name, where they differ.
        wanted: columns beside the standard ones that must be there, and `needed` standard ones.

    Raises:
        UnavailableError: it is not there.
        OptionsError: a column is missing, or one that `columns` names.
    """
    refuse_absent(written)
    found = header(written, reading)
    if found is None:
        return None
    standard = standard_names(found, written, columns)
    known = [standard.get(name, name) for name in found]
    refuse_lacking(wanted, known, written)
    problems = [no_column(name, found, written) for name in needed if name not in known]
    if problems:
        raise OptionsError(problems)
    return known


def refuse_lacking(wanted: Collection[str], known: Sequence[str], table: str) -> None:
    """Refuse a table without one of its user's own columns."""
    missing = [name for name in wanted if name not in (*known, EVERY)]
    if missing:
        raise lacking_columns(missing, known, table)


def refuse_unkept(wanted: Collection[str], kept: Sequence[str], table: str) -> None:
    """Refuse a table that score-model will write without one of its user's own columns."""
    refuse_lacking([name for name in wanted if not is_standard(name)], kept, table)
