"""CSV as pandas types it, without loading it: text is parsed once into an Arrow file, types come from every row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables import by_name
from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.formats.csv.text import Text, open_csv, opened
from cd4ml.data.tables.formats.csv.types import WORDS, too_long, types
from cd4ml.data.tables.dialect import Dialect, Reading
from cd4ml.data.tables.refusals import refuse_duplicates
from cd4ml.data.tables.scratch import Folder
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_BLOCK: Final = 8 << 20
_HEAD: Final = 1_000
_NUMBER: Final = r"^[ \t]*[+-]?\d+(?:[. ]\d{3})*(?:,\d+)?[ \t]*$"
# Digits behind a comma that cannot be a group of three.
_DECIMALS: Final = r",(?:\d{1,2}|\d{4,})[ \t]*$"


def typed_csv(path: Path, name: str, reading: Reading) -> tuple[pl.LazyFrame, int, Any]:
    """Return a CSV file's rows, their number, and what must outlive them.

    A column is of whole numbers, numbers or booleans if every value in it is; else of texts. Missing values are null:
    empty cells, the words that are declared, and in columns of numbers or booleans the words that pandas knows. What
    there is to say of words in columns of texts is added to `reading`.

    Args:
        name: what the report calls the table.

    Raises:
        OptionsError: it is not a CSV file, a hostile one, or not written as declared.
    """
    import polars as pl

    keep = Folder()
    text = opened(path, reading.dialect, keep.path)
    texts, typed = keep.path / "texts.arrow", keep.path / "typed.arrow"
    rows, words = _to_arrow(text, reading.dialect, texts)
    frame = pl.scan_ipc(texts, glob=False)
    names = dict(zip(_called(path, text.header), text.header, strict=True))
    expressions = dict(zip(names, types(frame, text.header, reading.dialect), strict=True))
    result = _stored(frame, expressions, typed)
    long = too_long(frame, result, names)
    if long:
        expressions |= {name: column(names[name]) for name in long}
        result = _stored(frame, expressions, keep.path / "texts-for-long-numbers.arrow")
    _refuse_decimal_commas(path, result, reading.dialect)
    if reading.dialect.missing is None:
        of_texts = [name for name, kind in result.collect_schema().items() if kind == pl.String]
        said = words.of(result, of_texts)
        if said:
            reading.words[name] = said
    texts.unlink()
    return result, rows, keep


def _stored(frame: pl.LazyFrame, expressions: Mapping[str, pl.Expr], path: Path) -> pl.LazyFrame:
    """Return columns as they are written to a file: every later pass would turn the texts into numbers again."""
    import polars as pl

    frame.select([item.alias(name) for name, item in expressions.items()]).sink_ipc(path)
    return pl.scan_ipc(path, glob=False)


def _to_arrow(text: Text, dialect: Dialect, target: Path) -> tuple[int, _Words]:
    """Write every field as text into an Arrow file; return the number of rows, and the words in columns of texts."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    convert = arrow_csv.ConvertOptions(
        column_types={name: pa.string() for name in text.header},
        null_values=["", *(dialect.missing or ())],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    parse = arrow_csv.ParseOptions(newlines_in_values=True, delimiter=text.delimiter)
    read = arrow_csv.ReadOptions(block_size=_BLOCK)
    rows, last, words = 0, None, _Words()
    try:
        with arrow_csv.open_csv(text.path, convert_options=convert, parse_options=parse, read_options=read) as reader:
            if reader.schema.names != list(text.header):
                raise OptionsError(f"{text.of}: the header is ambiguous: two parsers read it differently")
            with pa.OSFile(str(target), "wb") as stream, pa.ipc.new_file(stream, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
                    words.look(batch)
                    rows += batch.num_rows
                    last = batch.column(batch.num_columns - 1)[-1].as_py() if batch.num_rows else last
    except pa.ArrowInvalid as error:
        raise _unequal_rows(text.of, error, text.hint) from error
    if last and ("\n" in last or "\r" in last) and not _ends_with_quote(text.path):
        raise OptionsError(f"{text.of}: not a readable CSV file: a quote is open to the end of the file")
    return rows, words


def _unequal_rows(path: Path, error: BaseException, hint: str) -> OptionsError:
    """Return the error for a file that Arrow cannot parse. Arrow quotes the row, which may be private."""
    counts = re.search(r"Expected \d+ columns, got \d+", str(error))
    return OptionsError(f"{path}: not a readable CSV file: {counts[0] if counts else 'rows of unequal length'}{hint}")


class _Words:
    """Counts words for missing values where the cells lie in memory anyway.

    Attributes:
        found: the words by column, then how many cells.
        passed_over: columns that begin with numbers, as few columns of texts do.
    """

    def __init__(self) -> None:
        import pyarrow as pa

        self.found: dict[str, Counter[str]] = {}
        self.passed_over: set[str] | None = None
        self._words = pa.array(WORDS, pa.string())

    def look(self, batch: pa.RecordBatch) -> None:
        """Count the words in the columns of a batch."""
        import pyarrow.compute as pc

        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if self.passed_over is None:
            self.passed_over = {name for name, cells in columns.items() if _begins_with_numbers(cells)}
        for name in columns.keys() - self.passed_over:
            among = pc.is_in(columns[name], value_set=self._words)
            if among.true_count:
                self._add(name, columns[name].filter(among).to_pylist())

    def _add(self, name: str, cells: Sequence[str]) -> None:
        """Add cells that hold words."""
        self.found.setdefault(name, Counter()).update(cells)

    def of(self, frame: pl.LazyFrame, names: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return the words of columns that turned out to hold texts; those that were passed over are read."""
        for name in [name for name in names if name in (self.passed_over or ())]:
            cells = frame.select(column(name).filter(column(name).is_in(list(WORDS)))).collect(engine="streaming")
            self._add(name, by_name.values(cells, name).to_list())
        return {name: dict(self.found[name]) for name in names if self.found.get(name)}


def _begins_with_numbers(cells: pa.Array) -> bool:
    """Whether some of the first cells of a column are numbers."""
    import polars as pl

    return bool(pl.Series(values=cells.slice(0, _HEAD)).cast(pl.Float64, strict=False).count())


def _ends_with_quote(path: Path) -> bool:
    """Whether the last field of a file is closed by a quote."""
    tail = b""
    with open_csv(path) as stream:
        while block := stream.read(_BLOCK):
            tail = (tail + block)[-1000:]
    return tail.rstrip(b"\r\n").endswith(b'"')


def _refuse_decimal_commas(path: Path, frame: pl.LazyFrame, dialect: Dialect) -> None:
    """Refuse columns of texts that are numbers with a decimal comma: what is checked would be texts.

    Raises:
        OptionsError: there is one, and nobody declared the decimal mark.
    """
    import polars as pl

    names = [name for name, kind in frame.collect_schema().items() if kind == pl.String]
    if dialect.decimal is not None or not names:
        return
    head = frame.head(_HEAD).collect()
    expressions = [
        expression.alias(f"{place} {position}")
        for position, name in enumerate(names)
        for place, expression in enumerate(_commas(column(name)))
    ]
    found = iter(head.select(expressions).row(0))
    for name, filled, numbers, decimals in ((name, next(found), next(found), next(found)) for name in names):
        if decimals and numbers == filled:
            raise OptionsError(
                f"{path}: the column {name} holds numbers with a decimal comma",
                advice='Declare it: decimal: "," (or decimal: "." if they are texts).',
            )


def _commas(text: pl.Expr) -> list[pl.Expr]:
    """Return how many cells are filled, how many look like numbers, and how many of these can only have decimals."""
    known = text.filter(text.is_not_null() & ~text.is_in(list(WORDS)))
    return [known.count(), known.str.contains(_NUMBER).sum(), known.str.contains(_DECIMALS).sum()]


def _called(path: Path, header: Sequence[str]) -> list[str]:
    """Return the columns' names; one without a name has the one that pandas gives it."""
    called = [name or f"Unnamed: {position}" for position, name in enumerate(header)]
    refuse_duplicates(path, called)
    return called
