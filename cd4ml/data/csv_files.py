"""CSV as pandas types it, without loading it: text is parsed once into an Arrow file, types come from every row."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.by_name import column
from cd4ml.data.locations import Folder
from cd4ml.data.tables import (
    MOST_COLUMNS,
    check_bytes,
    csv_lines,
    first_line,
    open_csv,
    refuse_duplicates,
    unequal_rows,
)
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import polars as pl

# What pandas.read_csv takes for a missing value.
MISSING: Final = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
)
_TRUE: Final = ("True", "TRUE", "true")
_FALSE: Final = ("False", "FALSE", "false")
_BLOCK: Final = 8 << 20
_HEAD: Final = 1_000


def typed_csv(path: Path) -> tuple[pl.LazyFrame, int, Any]:
    """Return a CSV file's rows (UTF-8, comma-separated, one header line), their number, and what must outlive them.

    A column is of whole numbers, numbers or booleans if every value in it is; else of texts. Missing values are null.

    Raises:
        OptionsError: it is no CSV file, or a hostile one.
    """
    import polars as pl

    header = _header(path)
    keep = Folder()
    texts, typed = keep.path / "texts.arrow", keep.path / "typed.arrow"
    rows = _to_arrow(path, header, texts)
    frame = pl.scan_ipc(texts, glob=False)
    # Every later pass would turn the texts into numbers again.
    frame.select(_typed(frame, header)).sink_ipc(typed)
    texts.unlink()
    return pl.scan_ipc(typed, glob=False), rows, keep


def _header(path: Path) -> list[str]:
    """Return the names of the columns, after everything that is no CSV has been refused."""
    try:
        check_bytes(path)
        header = next(csv.reader(csv_lines(path)), [])
    except UnicodeDecodeError as error:
        raise OptionsError(f"{path}: not UTF-8 at byte {error.start}", advice="Save the file as UTF-8.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OptionsError(f"{path}: no readable gzip: {first_line(error)}") from error
    except csv.Error as error:
        raise OptionsError(f"{path}: no readable CSV: {first_line(error)}") from error
    refuse_duplicates(path, header)
    if len(header) > MOST_COLUMNS:
        raise OptionsError(f"{path}: {len(header)} columns; at most {MOST_COLUMNS} are read")
    if not header:
        raise OptionsError(f"{path}: no readable CSV: no columns to parse from file")
    return header


def _to_arrow(path: Path, header: Sequence[str], target: Path) -> int:
    """Write every field as text into an Arrow file; return the number of rows."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    convert = arrow_csv.ConvertOptions(
        column_types={name: pa.string() for name in header},
        null_values=list(MISSING),
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    read = arrow_csv.ReadOptions(block_size=_BLOCK)
    rows, last = 0, None
    try:
        with arrow_csv.open_csv(path, convert_options=convert, parse_options=parse, read_options=read) as reader:
            if reader.schema.names != list(header):
                raise OptionsError(f"{path}: no readable CSV: its header is read in two ways")
            with pa.OSFile(str(target), "wb") as stream, pa.ipc.new_file(stream, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
                    rows += batch.num_rows
                    last = batch.column(batch.num_columns - 1)[-1].as_py() if batch.num_rows else last
    except pa.ArrowInvalid as error:
        raise unequal_rows(path, error) from error
    if last and ("\n" in last or "\r" in last) and not _ends_with_quote(path):
        raise OptionsError(f"{path}: no readable CSV: a quote is open to the end of the file")
    return rows


def _ends_with_quote(path: Path) -> bool:
    """Whether the last field of a file is closed by a quote."""
    tail = b""
    with open_csv(path) as stream:
        while block := stream.read(_BLOCK):
            tail = (tail + block)[-1000:]
    return tail.rstrip(b"\r\n").endswith(b'"')


def _typed(frame: pl.LazyFrame, header: Sequence[str]) -> list[pl.Expr]:
    """Return each column in its type, which one pass over all values decides; odd columns take a second one."""
    import polars as pl

    plain = _fits(frame, {name: column(name) for name in header})
    trimmed = {name: column(name).str.strip_chars(" \t") for name in header if plain[name] == pl.String}
    fits = _fits(frame, trimmed)
    columns = {name: column(name) for name in header} | {
        name: trimmed[name] for name in fits if fits[name] != pl.String
    }
    return [_cast(columns[name], fits.get(name, plain[name])).alias(name) for name in header]


def _fits(frame: pl.LazyFrame, columns: Mapping[str, pl.Expr]) -> dict[str, pl.DataType]:
    """Return the first type that every value of a column fits; what its first rows do not fit is not tried on all."""
    import polars as pl

    head = frame.head(_HEAD).collect().lazy()
    kinds = (pl.Int64(), pl.UInt64(), pl.Float64(), pl.Boolean())
    tried = [_share(head, {name: (text, kind) for name, text in columns.items()}) for kind in kinds]
    open_kinds = {
        name: [kind for kind, found in zip(kinds, tried, strict=True) if found[name][0] == found[name][1]]
        for name in columns
    }
    result: dict[str, pl.DataType] = {name: pl.String() for name in columns}
    while undecided := {name: (columns[name], left[0]) for name, left in open_kinds.items() if left}:
        for name, (filled, fitting) in _share(frame, undecided).items():
            kind = open_kinds[name].pop(0)
            if filled == fitting:
                result[name] = kind if filled else pl.Float64()
                open_kinds[name] = []
    return result


def _share(frame: pl.LazyFrame, columns: Mapping[str, tuple[pl.Expr, pl.DataType]]) -> dict[str, tuple[int, int]]:
    """Return how many values a column has, and how many of them fit a type."""
    import polars as pl

    expressions: list[pl.Expr] = []
    for text, kind in columns.values():
        if kind == pl.Boolean:
            fitting = text.is_in([*_TRUE, *_FALSE]).sum()
        elif kind == pl.Float64:
            # pandas has its own list of words for not-a-number; any other spelling is a text.
            fitting = text.cast(kind, strict=False).is_not_nan().sum()
        else:
            fitting = text.cast(kind, strict=False).count()
        expressions += [text.count().alias(f"{len(expressions)}"), fitting.alias(f"{len(expressions) + 1}")]
    found = frame.select(expressions).collect(engine="streaming").row(0) if expressions else ()
    return {name: (found[2 * position], found[2 * position + 1]) for position, name in enumerate(columns)}


def _cast(text: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Return a column of texts in its type."""
    import polars as pl

    if kind == pl.Boolean:
        return pl.when(text.is_not_null()).then(text.is_in(_TRUE))
    return text if kind == pl.String else text.cast(kind)
