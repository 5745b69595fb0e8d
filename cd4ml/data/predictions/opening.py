"""Opening the predictions table, which score-model writes."""

from __future__ import annotations

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.opening import is_stored, open_table
from cd4ml.data.tables.table import Table
from cd4ml.errors import UnavailableError


def open_predictions(written: str, *, reading: Reading | None = None) -> Table:
    """Open a predictions table.

    Raises:
        UnavailableError, OptionsError: as `open_table` does.
    """
    try:
        return open_table(written, reading=reading)
    except UnavailableError as error:
        if is_stored(written):
            raise
        raise UnavailableError(error.message, advice=f"score-model writes it: was it run? {error.advice}") from error
