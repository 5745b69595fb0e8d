"""Reading CSV and Parquet into pandas, with one clear message for what cannot be read.

A table with two columns of one name is refused here: pandas would rename or drop one of them, and whatever is checked
afterwards would be about the other.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.data.digests import file_sha256, folder_sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.report import InputDigest

if TYPE_CHECKING:
    import pandas as pd

CSV: Final = (".csv", ".csv.gz")
PARQUET: Final = (".parquet", ".pq")
MOST_COLUMNS: Final = 20_000
# A Parquet file of a few kilobytes can promise terabytes; the footer says so before anything is read.
MOST_BYTES: Final = 64 * 1024**3
MOST_EXPANSION: Final = 1_000
_SMALL_FILE: Final = 4_000_000


def read_table(path: Path) -> pd.DataFrame:
    """Return the table in a CSV or Parquet file, or in a folder of Parquet files.

    Raises:
        UnavailableError: the file is missing or cannot be opened.
        OptionsError: it is no table of its kind, or a hostile one.
    """
    if not path.exists():
        raise UnavailableError(f"{path}: no such file.")
    if path.is_dir() or path.name.endswith(PARQUET):
        return _read_parquet(path)
    if not path.is_file():
        raise OptionsError(f"{path}: not a regular file")
    if path.name.endswith(CSV):
        return _read_csv(path)
    raise OptionsError(
        f"{path}: unknown kind of table", advice="Tables are .csv, .csv.gz, .parquet or a folder of Parquet."
    )


def digest(path: Path, name: str, rows: int | None = None) -> InputDigest:
    """Return the digest of a table's files, for the report."""
    sha256 = folder_sha256(path) if path.is_dir() else file_sha256(path)
    return InputDigest(name=name, path=path.as_posix(), sha256=sha256, rows=rows)


def refuse_duplicates(path: Path, columns: Sequence[str]) -> None:
    """Refuse a table in which two columns have the same name."""
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise OptionsError(
            f"{path}: more than one column is named {', '.join(repr(name) for name in repeated[:5])}",
            advice="Rename or drop the duplicates: it is not defined which of them would be checked.",
        )


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file or folder, its footers first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise OptionsError(f"{path}: the folder holds no .parquet file")
    try:
        for file in files:
            _check_footer(file)
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise OptionsError(f"{path}: no readable Parquet: {_first_line(error)}") from error
    except OSError as error:
        raise UnavailableError(f"{path}: cannot be read: {_first_line(error)}.") from error
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _check_footer(file: Path) -> None:
    """Refuse what the footer already gives away: too many columns, too much data for the size of the file."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(file)
    refuse_duplicates(file, [field.name for field in pq.read_schema(file)])
    if metadata.num_columns > MOST_COLUMNS:
        raise OptionsError(f"{file}: {metadata.num_columns} columns; at most {MOST_COLUMNS} are read")
    encoded = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    size = max(encoded, metadata.num_rows * metadata.num_columns * 8)
    if size > MOST_BYTES or size > MOST_EXPANSION * max(file.stat().st_size, _SMALL_FILE):
        raise OptionsError(f"{file}: expands from {file.stat().st_size} to {size} bytes; refused as hostile")


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file: UTF-8 with or without a byte-order mark, one header line, comma-separated."""
    import pandas as pd

    try:
        header = next(csv.reader(_first_text(path)), [])
        refuse_duplicates(path, header)
        if len(header) > MOST_COLUMNS:
            raise OptionsError(f"{path}: {len(header)} columns; at most {MOST_COLUMNS} are read")
        _check_rows(path, header)
        # index_col=False keeps pandas from taking the first column of rows that are too long for an index.
        frame = pd.read_csv(path, encoding="utf-8-sig", index_col=False, on_bad_lines="error", low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning, csv.Error) as error:
        raise OptionsError(f"{path}: no readable CSV: {_first_line(error)}") from error
    except UnicodeDecodeError as error:
        raise OptionsError(f"{path}: not UTF-8 at byte {error.start}", advice="Save the file as UTF-8.") from error
    except OSError as error:
        raise UnavailableError(f"{path}: cannot be read: {_first_line(error)}.") from error
    return frame


def _check_rows(path: Path, header: Sequence[str]) -> None:
    """Refuse rows with too few or too many fields: pandas fills up short ones in silence."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    options = arrow_csv.ConvertOptions(
        include_columns=header[:1], column_types={name: pa.binary() for name in header[:1]}
    )
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    try:
        with arrow_csv.open_csv(path, convert_options=options, parse_options=parse) as reader:
            for _ in reader:
                pass
    except pa.ArrowInvalid as error:
        # Arrow quotes the row; rows may be private, so only the counts are repeated.
        counts = re.search(r"Expected \d+ columns, got \d+", str(error))
        raise OptionsError(f"{path}: no readable CSV: {counts[0] if counts else 'rows of unequal length'}") from error


def _first_text(path: Path) -> list[str]:
    """Return the first line of a CSV file that may be compressed."""
    import gzip

    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(10_000_000)
    if "\x00" in line:
        raise OptionsError(f"{path}: holds NUL characters: not a text file")
    return [line]


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
