"""How CSV files are written: one declaration, which every stage that reads tables takes.

The words are those of Frictionless' CSV dialect, where it has them.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.inputs.options import Character, Group, Options, option

# Codecs of Python that are not encodings of a file.
_NO_ENCODINGS: Final = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a CSV file is written; None is not declared.

    Attributes:
        missing: words that stand for no value in columns of texts too, as an empty cell always does.
    """

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    comment: str | None = None
    missing: Sequence[str] | None = None

    @property
    def declared(self) -> list[str]:
        """The options that were set."""
        return [
            "missing-values" if name == "missing" else name for name, value in vars(self).items() if value is not None
        ]


# By column, then by word: how many cells.
Words = Mapping[str, Mapping[str, int]]


@dataclass(kw_only=True)
class Reading:
    """How tables are to be read, and what there is to say of those that were.

    Attributes:
        words: by path, cells of columns of texts that hold a word for a missing value which nobody declared.
    """

    dialect: Dialect = field(default_factory=Dialect)
    words: dict[str, Words] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CsvOptions(Options):
    """Options of every stage that reads tables: how its CSV files are written."""

    delimiter: Character | None = option(
        "What separates the fields of CSV files: one character, or `tab`. By default `,` (in `.tsv` files a tab); a "
        "file that looks different is refused.",
        example=";",
        last=True,
        group=Group.CSV,
    )
    decimal: Character | None = option(
        "The decimal mark of CSV files: `.` unless it is declared.", example=",", last=True, group=Group.CSV
    )
    thousands: Character | None = option(
        "What groups the digits of numbers in CSV files, where something does: one character, or `space`.",
        example=".",
        last=True,
        group=Group.CSV,
    )
    encoding: str | None = option(
        "The encoding of CSV files: UTF-8 unless it is declared or the file begins with a UTF-16 byte order mark.",
        example="cp1252",
        last=True,
        group=Group.CSV,
    )
    comment: Character | None = option(
        "Lines of CSV files that begin with this character are left out.", example="#", last=True, group=Group.CSV
    )
    missing_values: tuple[str, ...] | None = option(
        "Words that mean a missing value in CSV files. An empty cell always does, and so do the usual words (NA, null "
        "…) in columns of numbers; in columns of texts they are texts unless listed here.",
        example="NA, ?",
        last=True,
        group=Group.CSV,
    )

    @cached_property
    def csv(self) -> Reading:
        """How tables are to be read; whoever reads one adds what there is to say of it. A copy of options has its own.

        Raises:
            OptionsError: what was declared contradicts itself.
        """
        dialect = Dialect(
            delimiter=self.delimiter,
            decimal=self.decimal,
            thousands=self.thousands,
            encoding=None if self.encoding is None else _encoding(self.encoding),
            comment=self.comment,
            missing=self.missing_values,
        )
        _check(dialect)
        return Reading(dialect=dialect)


@dataclass(frozen=True, kw_only=True)
class TableOptions(CsvOptions):
    """The same, for stages in which `reading` means nothing else."""

    @property
    def reading(self) -> Reading:
        """See `csv`."""
        return self.csv


def _encoding(name: str) -> str:
    """Return Python's name of an encoding."""
    try:
        found = codecs.lookup(name)
        "".encode(name)  # refuses codecs from bytes to bytes
    except (LookupError, UnicodeError, ValueError) as error:
        raise OptionsError(f"encoding: unknown encoding {name!r}", advice="E.g. utf-8, utf-16, cp1252.") from error
    if found.name in _NO_ENCODINGS:
        raise OptionsError(f"encoding: {name!r} is not a text encoding")
    return found.name


def _check(dialect: Dialect) -> None:
    """Refuse marks that mean two things, or that numbers or quotes are made of."""
    marks = {
        name: mark
        for name, mark in (
            ("delimiter", dialect.delimiter or ","),
            ("decimal", dialect.decimal or "."),
            ("thousands", dialect.thousands),
            ("comment", dialect.comment),
        )
        if mark is not None
    }
    problems = [
        f"{name}: {mark!r} cannot be used" for name, mark in marks.items() if mark in '"\r\n+' or mark.isalnum()
    ]
    # A number in quotes may hold the delimiter.
    for one, other in (("decimal", "thousands"), ("delimiter", "comment")):
        if one in marks and marks[one] == marks.get(other):
            problems.append(f"{one} and {other} are the same character {marks[one]!r}")
    if problems:
        raise OptionsError(problems)


def is_tabbed(path: Path) -> bool:
    """Whether a file's name says that its fields are separated by tabs."""
    return path.name.endswith((".tsv", ".tsv.gz"))
