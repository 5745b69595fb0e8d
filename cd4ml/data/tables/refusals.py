"""What is refused of any table, whatever it is stored in: missing, damaged, ambiguous or hostile ones.

A table with two columns of one name is refused: a reader would rename or drop one of them, and whatever is checked
afterwards would be about the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import missing_file

_MOST_COLUMNS: Final = 20_000
# A file of a few kilobytes can promise terabytes.
_MOST_BYTES: Final = 64 * 1024**3
MOST_EXPANSION: Final = 1_000
ALWAYS_READ: Final = 500_000_000


def refuse_missing(path: Path) -> None:
    """Refuse what is not there or is not a file; reading from a pipe would wait for ever."""
    if not path.exists():
        raise missing_file(path)
    if not (path.is_dir() or path.is_file()):
        raise OptionsError(f"{path}: not a regular file")


def refuse_columns(path: Path, columns: Sequence[str], stored: int | None = None) -> None:
    """Refuse a table in which two columns have the same name, or with too many columns.

    Args:
        stored: how many columns the file stores, of a nested one each of its parts.
    """
    refuse_duplicates(path, columns)
    number = len(columns) if stored is None else stored
    if number > _MOST_COLUMNS:
        raise OptionsError(f"{path}: {number} columns; at most {_MOST_COLUMNS} are read")


def refuse_duplicates(path: Path, columns: Sequence[str]) -> None:
    """Refuse a table in which two columns have the same name."""
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        if "" in repeated:
            raise OptionsError(
                f"{path}: {columns.count('')} columns have no name",
                advice="Name them, or drop them: do lines end in a comma, or is it a pandas index?",
            )
        raise OptionsError(
            f"{path}: more than one column is named {', '.join(repr(name) for name in repeated[:5])}",
            advice="Rename or drop the duplicates: it is not defined which of them would be checked.",
        )


def refuse_expansion(
    path: Path, on_disk: int, size: int, most: int = MOST_EXPANSION, always: int = ALWAYS_READ
) -> None:
    """Refuse a table that is far larger than its files."""
    if size > most_bytes(on_disk, most, always):
        raise OptionsError(f"{path}: expands from {on_disk} to {size} bytes or more; refused as hostile")


def most_bytes(on_disk: int, most: int = MOST_EXPANSION, always: int = ALWAYS_READ) -> int:
    """Return how large a table of some size on disk may become."""
    return min(_MOST_BYTES, max(always, most * on_disk))


class refused:  # noqa: N801  (a context manager, used like a function)
    """Turn what readers raise over a damaged table into one clear message."""

    def __init__(self, name: str | Path) -> None:
        self.name = name

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate an error of a reader; leave all others alone."""
        if error is None:
            return
        import polars as pl
        import pyarrow as pa

        if isinstance(error, OSError) and error.errno is not None:
            raise UnavailableError(f"{self.name}: cannot be read: {first_line(error)}.") from error
        damaged = (pl.exceptions.ComputeError, pl.exceptions.SchemaError, pl.exceptions.NoDataError)
        if isinstance(error, (*damaged, pa.ArrowException, OSError)):
            raise OptionsError(f"{self.name}: not a readable table: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
