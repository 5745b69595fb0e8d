"""Reading CSV and Parquet into pandas, with one clear message for what cannot be read.

A table with two columns of one name is refused here: pandas would rename or drop one of them, and whatever is checked
afterwards would be about the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.expansion import hidden_bytes
from cd4ml.data.tables.parquet_parts import dataset
from cd4ml.digests import sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import missing_file
from cd4ml.report import InputDigest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as ds

Choose = Callable[[Sequence[str]], Sequence[str]]
CSV: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET: Final = (".parquet", ".pq")
DELTA_LOG: Final = "_delta_log"
MOST_COLUMNS: Final = 20_000
# A Parquet file of a few kilobytes can promise terabytes; the footer says so before anything is read.
MOST_BYTES: Final = 64 * 1024**3
MOST_EXPANSION: Final = 1_000
_ALWAYS_READ: Final = 500_000_000


def read_table(path: Path, choose: Choose | None = None, *, reading: Reading | None = None) -> pd.DataFrame:
    """Return the table in a CSV or Parquet file, or in a folder of Parquet files.

    Args:
        choose: picks the columns that are needed from the names found; None for all. Of a Parquet table the others
            are not read, and texts become categories: ten million rows of a few values take bytes, not texts.
        reading: how CSV files are written; what there is to say of this one is added.

    Raises:
        UnavailableError: the file is missing or cannot be opened.
        OptionsError: it is no table of its kind, or a hostile one.
    """
    readable(path)
    if path.is_dir() or path.name.endswith(PARQUET):
        return _read_parquet(path) if choose is None else _read_columns(path, choose)
    if path.name.endswith(CSV):
        frame = _read_csv(path, reading)
        return frame if choose is None else frame[list(choose(list(map(str, frame.columns))))]
    raise OptionsError(
        f"{path}: unknown kind of table",
        advice="Tables are .csv, .tsv (or these with .gz), .parquet or a folder of Parquet.",
    )


def readable(path: Path) -> None:
    """Refuse what is not there or is no file; reading from a pipe would wait for ever."""
    if not path.exists():
        raise missing_file(path)
    if not (path.is_dir() or path.is_file()):
        raise OptionsError(f"{path}: not a regular file")


def digest(path: Path, name: str, rows: int | None = None) -> InputDigest:
    """Return the digest of a table's files, for the report."""
    return InputDigest(name=name, path=path.as_posix(), sha256=sha256(path), rows=rows)


def refuse_duplicates(path: Path, columns: Sequence[str]) -> None:
    """Refuse a table in which two columns have the same name."""
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        if "" in repeated:
            raise OptionsError(
                f"{path}: {columns.count('')} columns have no name",
                advice="Name them, or drop them: are there commas at the ends of the lines, or an index of pandas?",
            )
        raise OptionsError(
            f"{path}: more than one column is named {', '.join(repr(name) for name in repeated[:5])}",
            advice="Rename or drop the duplicates: it is not defined which of them would be checked.",
        )


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file or folder, its footers first."""
    import pyarrow.parquet as pq

    with parquet_errors(path):
        if path.is_dir():
            table = parquet_dataset(path).to_table()
        else:
            check_footers(path, [path])
            with pq.ParquetFile(path) as stored_file:
                table = stored_file.read()
        try:
            frame: pd.DataFrame = table.to_pandas()
        except TypeError:  # a type that another library brought to pandas: what Arrow makes of it is enough
            frame = table.replace_schema_metadata(None).to_pandas()
    # What pandas stored as an index is a column like any other; row numbers are never values of the data.
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(named).reset_index(drop=True) if named else frame.reset_index(drop=True)


def _read_columns(path: Path, choose: Choose) -> pd.DataFrame:
    """Read the columns that are needed, one after the other: the table is never in memory twice."""
    import pandas as pd
    import pyarrow as pa

    columns: dict[str, pd.Series[Any]] = {}
    with parquet_errors(path):
        dataset = parquet_dataset(path)
        for name in choose(dataset.schema.names):
            read = dataset.to_table(columns=[name]).column(0)
            columns[name] = read.to_pandas(strings_to_categorical=True)
            del read
            pa.default_memory_pool().release_unused()  # Arrow keeps what is freed until it is told
    return pd.DataFrame(columns, copy=False)


def parquet_dataset(path: Path) -> ds.Dataset:
    """Open a Parquet file, or a folder of such files, its footers first."""
    files = parquet_files(path) if path.is_dir() else [path]
    check_footers(path, files)
    return dataset(path, files)


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Say of what Arrow cannot read whether the table is at fault, or the way to it."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as error:
        raise OptionsError(f"{path}: no readable Parquet: {first_line(error)}") from error
    except OSError as error:
        if error.errno is None:  # Arrow's word for pages that do not decode
            raise OptionsError(f"{path}: no readable Parquet: {first_line(error)}") from error
        raise UnavailableError(f"{path}: cannot be read: {first_line(error)}.") from error


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder, and refuse anything whose rows would be left out."""
    if (folder / DELTA_LOG).is_dir():
        raise OptionsError(f"{folder}: a Delta table, whose folder also holds rows that were deleted")
    files = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            raise OptionsError(f"{path}: not a regular file; a folder of Parquet holds regular files only")
        if path.name.endswith(PARQUET) and not hidden:
            files.append(path)
        elif path.name.endswith(PARQUET) or not (hidden or path.name.endswith(".crc")):
            raise OptionsError(f"{path}: not read with its folder, so it may not lie there")
    if not files:
        raise OptionsError(f"{folder}: the folder holds no .parquet file")
    return files


def check_footers(path: Path, files: Sequence[Path]) -> None:
    """Refuse what the footers already give away: too many columns, or too much data."""
    import pyarrow.parquet as pq

    on_disk = sum(file.stat().st_size for file in files)
    most = most_bytes(on_disk, MOST_EXPANSION, _ALWAYS_READ)
    total = 0
    for file in files:
        metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        refuse_duplicates(file, schema.names)
        if metadata.num_columns > MOST_COLUMNS:
            raise OptionsError(f"{file}: {metadata.num_columns} columns; at most {MOST_COLUMNS} are read")
        encoded = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
        total += max(encoded, metadata.num_rows * metadata.num_columns * 8)
        if total <= most:
            total += hidden_bytes(file, metadata, enough=most - total, ignorable=most // len(files))
    refuse_expansion(path, on_disk, total)


def refuse_expansion(
    path: Path, on_disk: int, size: int, most: int = MOST_EXPANSION, always: int = _ALWAYS_READ
) -> None:
    """Refuse a table that is far larger than its files."""
    if size > most_bytes(on_disk, most, always):
        raise OptionsError(f"{path}: expands from {on_disk} to {size} bytes or more; refused as hostile")


def most_bytes(on_disk: int, most: int, always: int) -> int:
    """Return how large a table of some size on disk may become."""
    return min(MOST_BYTES, max(always, most * on_disk))


def _read_csv(path: Path, reading: Reading | None) -> pd.DataFrame:
    """Read a CSV file: the same rows in the same types as the stages see that read it in parts."""
    from cd4ml.data.tables.sources import open_source

    source = open_source(path, reading=reading)
    return source.pandas(source.schema.names())


def unequal_rows(path: Path, error: BaseException, hint: str = "") -> OptionsError:
    """Return the error for a CSV file that Arrow cannot parse. Arrow quotes the row, which may be private."""
    counts = re.search(r"Expected \d+ columns, got \d+", str(error))
    return OptionsError(f"{path}: no readable CSV: {counts[0] if counts else 'rows of unequal length'}{hint}")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
