"""The text of a CSV file: UTF-8, without comments, and separated by what is declared or can be recognised.

A file that looks as if it were written in another way than it is read in is refused: it would become one column of
texts, which then meets whatever a schema says of texts.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final

from cd4ml.data.tables.dialect import Dialect, is_tabbed
from cd4ml.data.tables.refusals import first_line, most_bytes, refuse_columns, refuse_expansion
from cd4ml.errors import OptionsError

_MOST_EXPANSION_GZIP: Final = 100
_ALWAYS_READ_GZIP: Final = 100_000_000
_LONGEST_LINE: Final = 10_000_000
_BLOCK: Final = 1 << 20
# Marks at the beginning of a file; that of UTF-32 begins like one of UTF-16.
_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What spreadsheets write above the header to say what separates the fields.
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_DELIMITERS: Final = (",", ";", "\t", "|")
# These separate in some files, and stand in names in others: they must split every line alike.
_WEAK_DELIMITERS: Final = (":", " ", "\x01", "\x1f")
_SAMPLE: Final = 50
_COMMENTS: Final = ("#", "//", "%")
_CALLED: Final = {"\t": "a tab", " ": "spaces", ",": "a comma", ":": "a colon"}


@dataclass(frozen=True, kw_only=True)
class Text:
    """A CSV file that can be parsed.

    Attributes:
        path: what is to be parsed: UTF-8 without comments; the file itself, if it is that.
        of: the file that was named.
        header: the names of the columns.
        hint: what its rows may be, if they turn out to be of unequal length.
    """

    path: Path
    of: Path
    delimiter: str
    header: Sequence[str]
    hint: str = ""


def opened(path: Path, dialect: Dialect, folder: Path) -> Text:
    """Return a file's text, after everything that is not CSV has been refused.

    Args:
        folder: where a copy may be written that lives as long as the text.

    Raises:
        OptionsError: it is not a CSV file, a hostile one, or not written as declared.
    """
    encoding = dialect.encoding or "utf-8"
    try:
        encoding = dialect.encoding or _marked(path) or "utf-8"
        first = next(csv_lines(path, encoding), "")
        said = _SEPARATOR_LINE.fullmatch(first)
        text = path
        if encoding != "utf-8" or said or dialect.comment:
            text = folder / "text.csv"
            _copy(path, encoding, dialect.comment, text)
        else:
            _check_bytes(path)
        delimiter = _delimiter(path, dialect, said[1] if said else None)
        sample = [line for line in islice(csv_lines(text), _SAMPLE) if line.strip()]
        header = next(csv.reader(csv_lines(text), delimiter=delimiter), [])
        declared = dialect.delimiter is not None or said is not None
        _refuse_other(path, sample, delimiter, declared=declared)
    except UnicodeError as error:
        raise _undecodable(path, encoding, error) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OptionsError(f"{path}: not a readable gzip file: {first_line(error)}") from error
    except csv.Error as error:
        raise OptionsError(f"{path}: not a readable CSV file: {first_line(error)}") from error
    _check_header(path, header)
    return Text(path=text, of=path, delimiter=delimiter, header=header, hint=_hint(sample, dialect))


def first_header(path: Path, dialect: Dialect) -> list[str] | None:
    """Return the columns of a file as `opened` finds them, from its first line; None where more has to be looked at.

    One column is none that is sure: something else may separate several.
    """
    if dialect.encoding or dialect.comment or _marked(path) not in (None, "utf-8"):
        return None
    lines = csv_lines(path)
    first = next(lines, "")
    if _SEPARATOR_LINE.fullmatch(first):
        return None
    found = next(csv.reader(chain((first,), lines), delimiter=_delimiter(path, dialect, None)), [])
    return found if len(found) > 1 else None


def _check_header(path: Path, header: Sequence[str]) -> None:
    """Refuse a header that does not name each column once."""
    refuse_columns(path, header)
    if not header:
        raise OptionsError(f"{path}: not a readable CSV file: no columns to parse from file")


def _undecodable(path: Path, encoding: str, error: UnicodeError) -> OptionsError:
    """Return the error for a file in another encoding."""
    where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
    advice = "Save the file as UTF-8, or declare its encoding (such as encoding: cp1252, or utf-16)."
    return OptionsError(f"{path}: not {encoding.upper()}{where}", advice=advice)


def _marked(path: Path) -> str | None:
    """Return the encoding that a mark at the beginning of a file says, None if there is none."""
    with open_csv(path) as stream:
        start = stream.read(4)
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), None)


def _delimiter(path: Path, dialect: Dialect, said: str | None) -> str:
    """Return what separates the fields: as declared, as the first line says, or as the file's name does."""
    if dialect.delimiter and said and dialect.delimiter != said:
        raise OptionsError(f"{path}: its first line says sep={said}, and delimiter {dialect.delimiter!r}")
    return dialect.delimiter or said or ("\t" if is_tabbed(path) else ",")


def _refuse_other(path: Path, sample: Sequence[str], delimiter: str, *, declared: bool) -> None:
    """Refuse a file that looks as if something else separated its fields.

    Raises:
        OptionsError: it has one column, which something else would split; or something else splits all lines alike.
    """
    if not sample:
        return
    split = {mark: _split(sample, mark) for mark in (*_DELIMITERS, *_WEAK_DELIMITERS)}
    own = split[delimiter] if delimiter in split else _split(sample, delimiter)
    header, even = own
    others = [mark for mark in split if mark != delimiter]
    if header == 1:
        found = next((mark for mark in others if _splits(split[mark], mark, declared=declared)), None)
        if found:
            name = sample[0].strip()
            shown = name if len(name) <= 80 else f"{name[:80]}…"
            raise OptionsError(f"{path}: one column named {shown}: separated by {_mark(found)}?", advice=_advice(found))
        if not declared and sample[0].startswith(_COMMENTS):
            raise OptionsError(
                f"{path}: its first line begins with {sample[0][0]}: a comment?",
                advice=f"Declare it: comment: '{sample[0][0]}'; or, if it is the header, declare the delimiter.",
            )
        return
    found = next((mark for mark in others if mark in _DELIMITERS and split[mark][1] and split[mark][0] > 1), None)
    if found and not declared:
        if even:
            message = f"{path}: its lines can be separated by {_mark(delimiter)} and by {_mark(found)}"
        else:
            message = f"{path}: its lines are of unequal length: separated by {_mark(found)}?"
        raise OptionsError(message, advice=_advice(found))


def _split(sample: Sequence[str], mark: str) -> tuple[int, bool]:
    """Return into how many fields a mark splits the header, and whether it splits all lines alike."""
    rows = [row for row in csv.reader(sample, delimiter=mark) if row]
    whole = rows[:-1] if len(sample) >= _SAMPLE - 1 else rows  # the last one may be cut
    return len(rows[0]), all(len(row) == len(rows[0]) for row in whole)


def _splits(found: tuple[int, bool], mark: str, *, declared: bool) -> bool:
    """Whether a mark looks like what separates the fields of a table that has one column without it."""
    fields, even = found
    if mark in _DELIMITERS:
        return fields > 1 and (even or not declared)
    return fields > (2 if mark == " " else 1) and even and not declared


def _mark(mark: str) -> str:
    """Return a delimiter for a message."""
    return _CALLED.get(mark, mark if mark.isprintable() else repr(mark))


def _advice(mark: str) -> str:
    """Return how a delimiter is declared."""
    written = {"\t": "tab", " ": "space"}.get(mark, f'"{mark}"')
    return f"Declare what separates the fields (for example delimiter: {written})."


def _hint(sample: Sequence[str], dialect: Dialect) -> str:
    """Return what rows may be that are of unequal length."""
    if dialect.comment is None:
        for mark in _COMMENTS:
            if any(line.startswith(mark) for line in sample):
                return f"; lines that begin with {mark}: comments? Declare comment"
    return ""


def _copy(path: Path, encoding: str, comment: str | None, target: Path) -> None:
    """Write a file's text as UTF-8, without comments and without a line that only says what separates the fields."""
    size, inside = 0, False
    with target.open("w", encoding="utf-8", newline="") as stream:
        for number, line in enumerate(csv_lines(path, encoding)):
            size += len(line)
            if "\x00" in line:
                raise _binary(path)
            refuse_expansion(path, path.stat().st_size, size, _MOST_EXPANSION_GZIP, _ALWAYS_READ_GZIP)
            if number == 0 and _SEPARATOR_LINE.fullmatch(line):
                continue
            if comment and not inside and line.startswith(comment):
                continue
            inside ^= line.count('"') % 2 == 1
            stream.write(line)


def _check_bytes(path: Path) -> None:
    """Refuse NUL characters, at which parsers cut values short, and what expands without end."""
    size, on_disk = 0, path.stat().st_size
    most = most_bytes(on_disk, _MOST_EXPANSION_GZIP, _ALWAYS_READ_GZIP)
    with open_csv(path) as stream:
        while block := stream.read(_BLOCK):
            size += len(block)
            if b"\x00" in block:
                raise _binary(path)
            if size > most:
                refuse_expansion(path, on_disk, size, _MOST_EXPANSION_GZIP, _ALWAYS_READ_GZIP)


def _binary(path: Path) -> OptionsError:
    """Return the error for a file that is not a text."""
    advice = "If it is a text in another encoding, declare it (for example encoding: utf-16)."
    return OptionsError(f"{path}: holds NUL characters: not UTF-8 text", advice=advice)


def open_csv(path: Path) -> IO[bytes]:
    """Open a CSV file that may be compressed."""
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def csv_lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a CSV file that may be compressed; a header may span several of them."""
    decoded = "utf-8-sig" if encoding == "utf-8" else encoding
    with io.TextIOWrapper(open_csv(path), encoding=decoded, newline="") as stream:
        first = True
        while line := stream.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise OptionsError(f"{path}: a line is longer than {_LONGEST_LINE} characters")
            yield line.removeprefix("\ufeff") if first else line
            first = False
