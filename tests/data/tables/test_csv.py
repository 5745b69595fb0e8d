"""CSV files of many dialects: read as declared, or refused with the cause; never one column of texts that passes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from cd4ml.data.tables.dialect import Dialect, Reading
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from tests.conftest import Run, run_cd4ml

ROWS = [("p1", 12.5, "Malmö", 3), ("p2", 7.25, "Ghent", 4), ("p3", -0.5, "Brno", 5)]
EXPECTED = pl.DataFrame(ROWS, schema=["part", "weight", "town", "pieces"], orient="row")
SCHEMA = {"columns": {"part": {"dtype": "str", "checks": {"str_length": {"min_value": 1, "max_value": 99}}}}}


def text(delimiter: str = ",", decimal: str = ".", *, end: str = "\n") -> str:
    """Return the rows as a file of some dialect holds them."""
    lines = [["part", "weight", "town", "pieces"]]
    lines += [[part, str(weight).replace(".", decimal), town, str(pieces)] for part, weight, town, pieces in ROWS]
    return "".join(delimiter.join(line) + end for line in lines)


def read(path: Path, **dialect: Any) -> pl.DataFrame:
    """Return a file's rows as the stages see them that read it in parts."""
    return rows(path, Reading(dialect=Dialect(**dialect)))


def rows(path: Path, reading: Reading) -> pl.DataFrame:
    """Return a file's rows."""
    source = open_table(path, reading=reading).source()
    return source.lazy().collect()


@pytest.mark.parametrize(
    ("name", "content", "dialect"),
    [
        ("t.csv", text().encode(), {}),
        ("t.csv", text(end="\r\n").encode("utf-8-sig"), {}),
        ("t.csv", text(";", ",").encode(), {"delimiter": ";", "decimal": ","}),
        ("t.csv", text("\t", ",").encode(), {"delimiter": "\t", "decimal": ","}),
        ("t.csv", text("|").encode(), {"delimiter": "|"}),
        ("t.tsv", text("\t").encode(), {}),
        ("t.tsv.gz", gzip.compress(text("\t").encode(), mtime=0), {}),
        ("t.csv", b"sep=;\r\n" + text(";", end="\r\n").encode(), {}),
        ("t.csv", text().encode("utf-16"), {}),
        ("t.csv", text("\t").encode("utf-16"), {"delimiter": "\t"}),
        ("t.csv", text().encode("utf-32"), {}),
        ("t.csv", text().encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ("t.csv", text(";", ",").encode("cp1252"), {"delimiter": ";", "decimal": ",", "encoding": "cp1252"}),
        ("t.csv.gz", gzip.compress(text().encode("latin-1"), mtime=0), {"encoding": "iso8859-1"}),
        ("t.csv", b"# written by a scale\n" + text().encode() + b"# end\n", {"comment": "#"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_dialects__are_read_as_declared(tmp_path: Path, name: str, content: bytes, dialect: dict[str, str]) -> None:
    """The same rows in the same types come from every dialect, through both doors."""
    (tmp_path / name).write_bytes(content)

    assert read(tmp_path / name, **dialect).equals(EXPECTED)
    frame = open_table(tmp_path / name, reading=Reading(dialect=Dialect(**dialect))).frame()
    assert frame.to_dict("list") == EXPECTED.to_dict(as_series=False)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", text(";"), "one column named part;weight;town;pieces: separated by ;?"),
        ("t.csv", text(";", ","), "separated by ;?"),
        ("t.csv", text("\t"), "separated by a tab?"),
        ("t.csv", text("|"), "separated by |?"),
        ("t.csv", text(":"), "separated by a colon?"),
        ("t.csv", text(" "), "separated by spaces?"),
        ("t.tsv", text(), "separated by a comma?"),
        ("t.csv", "price, net;town\n1,5;Oslo\n2,5;Rome\n", "separated by a comma and by ;"),
        ("t.csv", "a;b,c;d\n1;2;3\n4;5;6\n", "separated by ;?"),
        ("t.csv", "# a note\nvalue\n1\n2\n", "a comment?"),
        ("t.csv", "# made, by hand, today\n" + text(), "comments?"),
        ("t.csv", text() + "# 3 rows\n", "comments?"),
        ("t.csv", 'id,price\n1,"2,5"\n2,"3,75"\n3,"4"\n', "the column price holds numbers with a decimal comma"),
        ("t.csv", text(), "not UTF-8"),
    ],
)
def test_dialects_that_nobody_declared__are_named(
    cd4ml: Callable[..., Run], tmp_path: Path, name: str, content: str, words: str
) -> None:
    """A file that looks otherwise than it is read in is refused, and the message says what it looks like."""
    (tmp_path / name).write_bytes(content.encode("cp1252" if words == "not UTF-8" else "utf-8"))
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {content.split("\n")[0]: {"dtype": "str"}}}))

    run = cd4ml("validate-data", "--data", name, "--schema", "schema.yaml")

    assert run.code == 2 and words in run.report["summary"], run.report["summary"]
    assert cd4ml("schema", "infer", "--data", name, "--output", "new.yaml").code == 2


@pytest.mark.parametrize("name", ["two words", "ratio a:b", "semi;colon", "a|b"])
def test_table_of_one_column__is_one(tmp_path: Path, name: str) -> None:
    """A column that is alone is read; where its name holds a delimiter, once the delimiter is declared."""
    (tmp_path / "t.csv").write_text(f"{name}\nx\ny\n")
    dialect = {"delimiter": ","} if set(";|") & set(name) else {}

    assert read(tmp_path / "t.csv", **dialect).columns == [name]
    if dialect:
        with pytest.raises(OptionsError, match="separated by"):
            read(tmp_path / "t.csv")


def test_delimiter_declared_wrongly__is_named(tmp_path: Path) -> None:
    """A file that another delimiter splits alike is refused, though one was declared."""
    (tmp_path / "t.csv").write_text(text(","))

    with pytest.raises(OptionsError, match="separated by a comma"):
        read(tmp_path / "t.csv", delimiter=";")


@pytest.mark.parametrize(
    ("cells", "dialect", "expected"),
    [
        (["1.234,5", "12", "-7,25"], {"delimiter": ";", "decimal": ",", "thousands": "."}, [1234.5, 12.0, -7.25]),
        (['"1,234"', '"12,345,678"', "9"], {"thousands": ","}, [1234, 12345678, 9]),
        (["1 234", "12", "1 000 000"], {"thousands": " "}, [1234, 12, 1000000]),
        (['"1,2"', '"3,4"', "5"], {"thousands": ",", "decimal": "."}, ["1,2", "3,4", "5"]),
        (["1.5", "2,5", "3"], {"delimiter": ";", "decimal": ","}, ["1.5", "2,5", "3"]),
    ],
)
def test_marks_of_numbers(tmp_path: Path, cells: list[str], dialect: dict[str, str], expected: list[Any]) -> None:
    """Numbers are read with the declared marks; what does not group its digits by threes stays a text."""
    (tmp_path / "t.csv").write_text("\n".join(["n", *cells]) + "\n")

    assert read(tmp_path / "t.csv", **dialect)["n"].to_list() == expected


def test_comment_mark_inside_quotes__is_data(tmp_path: Path) -> None:
    """A line that begins with the mark inside of a quoted cell is part of the cell."""
    (tmp_path / "t.csv").write_text('a,b\n1,"first\n#second"\n# gone\n2,x\n')

    assert read(tmp_path / "t.csv", comment="#")["b"].to_list() == ["first\n#second", "x"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--encoding", "klingon"], "unknown encoding"),
        (["--encoding", "rot13"], "encoding"),
        (["--delimiter", ";;"], "one character"),
        (["--delimiter", "a"], "cannot be used"),
        (["--decimal", ",", "--thousands", ","], "same character"),
    ],
)
def test_declarations_that_make_no_sense__refused(
    cd4ml: Callable[..., Run], tmp_path: Path, arguments: list[str], words: str
) -> None:
    """What no file can be written in is refused before one is read."""
    (tmp_path / "t.csv").write_text(text())
    (tmp_path / "schema.yaml").write_text(json.dumps(SCHEMA))

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml", *arguments)

    assert run.code == 2 and words in run.report["summary"]


def test_dialect_in_defaults__is_every_stages(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """What `defaults` declares holds for the gate, and a tab can be written as YAML has it."""
    (tmp_path / "cd4ml.yaml").write_text('defaults:\n  delimiter: "\\t"\n  decimal: ","\nvalidate-data: {}\n')
    (tmp_path / "t.csv").write_text(text("\t", ","))
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {"weight": {"dtype": "float64"}}}))

    assert cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml").code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (",a\n0,1\n1,2\n", "a column without a name (`Unnamed: 0`; a pandas index? write index=False)"),
        ("a,\n1,\n2,\n", "a column without a name (`Unnamed: 1`; a delimiter at the end of the lines?)"),
    ],
)
def test_column_without_a_name__is_named(cd4ml: Callable[..., Run], tmp_path: Path, content: str, words: str) -> None:
    """A column that the schema does not name is visible in the message, though it has no name."""
    (tmp_path / "t.csv").write_text(content)
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {"a": {"dtype": "int64"}}, "strict": True}))

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml")

    assert run.code == 1 and words in run.report["summary"]


WORDS = ["NA", "None", "null", "nan", "N/A", "NULL", "n/a", "<NA>"]


@pytest.mark.parametrize("word", WORDS)
def test_words_for_missing_values__by_the_kind_of_column(tmp_path: Path, word: str) -> None:
    """A word is a text among texts, and a gap among whole numbers, numbers and booleans; empty cells are gaps."""
    late = [str(row) for row in range(3_000)]
    columns = {
        "text": ["a", word, "", *late],
        "whole": ["1", word, "", *late],
        "number": ["1.5", word, "", *late],
        "flag": ["true", word, "", *(["false"] * 3_000)],
        "after": [*late, "7", word, ""],
        "only": [word, word, *([""] * 3_001)],
    }
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    reading = Reading()

    found = rows(tmp_path / "t.csv", reading)

    assert [str(kind) for kind in found.dtypes] == ["String", "Int64", "Float64", "Boolean", "Int64", "String"]
    assert [column.null_count() for column in found.get_columns()] == [1, 2, 2, 2, 2, 3_001]
    assert reading.words == {(tmp_path / "t.csv").as_posix(): {"text": {word: 1}, "only": {word: 2}}}


def test_words_for_missing_values__declared(tmp_path: Path) -> None:
    """Declared words are gaps in every column, and nothing is said of those that are known not to be."""
    (tmp_path / "t.csv").write_text("town,age\nNA,3\nNone,?\n-,5\n")
    declared, none = Reading(dialect=Dialect(missing=("NA", "?", "-"))), Reading(dialect=Dialect(missing=()))

    gaps = rows(tmp_path / "t.csv", declared)
    kept = rows(tmp_path / "t.csv", none)

    assert gaps.to_dict(as_series=False) == {"town": [None, "None", None], "age": [3, None, 5]}
    assert kept["town"].to_list() == ["NA", "None", "-"]
    assert not declared.words and not none.words


def test_word_after_numbers__is_seen(tmp_path: Path) -> None:
    """A column that begins with numbers and turns out to hold texts is looked through for words as well."""
    cells = [*map(str, range(2_000)), "x", "NA", "NA"]
    (tmp_path / "t.csv").write_text("\n".join(["mixed", *cells]) + "\n")
    reading = Reading()

    assert open_table(tmp_path / "t.csv", reading=reading).source().schema["mixed"] == pl.String
    assert list(reading.words.values()) == [{"mixed": {"NA": 2}}]


@pytest.mark.parametrize("declared", [False, True])
def test_verdict__says_which_words_it_took_for_texts(cd4ml: Callable[..., Run], tmp_path: Path, declared: bool) -> None:
    """`isin` meets a word for a missing value as a text, and the report says so; declared, it is a gap that blocks."""
    (tmp_path / "t.csv").write_text("state\nTX\nNA\nNA\n")
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {"state": {"checks": {"isin": ["TX", "NA"]}}}}))
    words = ["--missing-values", "NA"] if declared else []

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml", *words)

    ids = {check["id"]: check for check in run.report["checks"]}
    assert run.code == (1 if declared else 0)
    assert ("missing-values:t.csv" in ids) is not declared
    assert ("`state` holds NA (2 cells)" in run.report["summary"]) is not declared
    assert ids["not-nullable:state"]["value"] == (2 if declared else 0)


LONG = ["7" * 25, "7" * 24 + "8", "5"]


@pytest.mark.parametrize("cells", [LONG, [*LONG, "2.5"], [*LONG, "NA"], ["9" * 4_301, "1", "2"]])
def test_whole_numbers_that_are_too_long__are_texts(tmp_path: Path, cells: list[str]) -> None:
    """Two numbers of more than 64 bits that differ in their last digit stay two."""
    (tmp_path / "t.csv").write_text("\n".join(["account", *cells]) + "\n")

    assert read(tmp_path / "t.csv")["account"].to_list() == cells


def test_keys_that_are_too_long_for_numbers__do_not_repeat(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Long account numbers are unique by all of their digits, and of no type of numbers."""
    (tmp_path / "t.csv").write_text("\n".join(["account", *LONG]) + "\n")
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {"account": {"dtype": "float64", "unique": True}}}))

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml")

    failed = [check for check in run.report["checks"] if check["status"] != "passed"]
    assert [check["id"] for check in failed] == ["dtype:account"]
    assert "more than 64 bits" in failed[0]["message"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["3", "4", "?", "5"] * 50, "150 of 200 values are numbers, 50 are not: '?' (50), e.g. rows 2, 6, 10"),
        (["1", "2", "3", "4", "-"] * 20, "80 of 100 values are numbers, 20 are not: '-' (20), e.g. rows 4, 9, 14"),
        (
            ['"1,250.5"', '"2,100"', "7"],
            "1 of 3 values are numbers, 2 of 3 values are numbers with thousands separators",
        ),
        (["5 %", "7%", "12.5 %"], "3 of 3 values are numbers with percent signs"),
        (["$5", "$ 7.50", '"$1,200"'], "3 of 3 values are numbers with a currency"),
        (["1", "2", "3", "4", "secret"], "4 of 5 values are numbers, 1 is not: e.g. row 4"),
    ],
)
def test_texts_that_are_nearly_numbers__are_explained(
    cd4ml: Callable[..., Run], tmp_path: Path, cells: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed type says which cells are no numbers, without their values, and `schema infer` says it as well."""
    if words.startswith("150"):
        cells = [*cells, *["6"] * 50]
        words = words.replace("150 of 200", "200 of 250")
    (tmp_path / "t.csv").write_text("\n".join(["size", *cells]) + "\n")
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {"size": {"dtype": "float64"}}}))

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml")
    inferred = cd4ml("schema", "infer", "--data", "t.csv", "--output", "new.yaml", capsys=capsys)

    message = next(check["message"] for check in run.report["checks"] if check["id"] == "dtype:size")
    assert run.code == 1 and words in message and "secret" not in message
    assert inferred.code == 0 and words.split(":")[0] in inferred.stdout
    assert words.split(":")[0] in (tmp_path / "new.yaml").read_text()


def test_texts_that_are_no_numbers__are_not_explained(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Of a column of words nothing is said about numbers."""
    (tmp_path / "t.csv").write_text("size\nsmall\nlarge\n7\n")
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {"size": {"dtype": "float64"}}}))

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml")

    assert run.code == 1 and "values are numbers" not in run.report["summary"]


@pytest.mark.parametrize(
    ("content", "words"), [(text(";"), "separated by ;?"), ("\ufeff" + text(), None), ("town\nNA\n\nNone\n", None)]
)
def test_warehouse__reads_csv_like_every_stage(tmp_path: Path, content: str, words: str | None) -> None:
    """Rows of a CSV file have the types, names and gaps on DuckDB that they have elsewhere, or are refused alike."""
    (tmp_path / "t.csv").write_text(content)
    header = content.lstrip("\ufeff").splitlines()[0].split(",")
    (tmp_path / "schema.yaml").write_text(json.dumps({"columns": {name: {} for name in header}, "strict": True}))
    command = ["--data", "t.csv", "--schema", "schema.yaml"]

    local = run_cd4ml(tmp_path, "validate-data", *command)
    there = run_cd4ml(tmp_path, "validate-data", *command, "--backend", "ibis://duckdb/w.ddb")

    assert local.code == there.code == (2 if words else 0), there.stderr
    assert (words or "") in there.report["summary"]
    assert [check["id"] for check in there.report["checks"]] == [check["id"] for check in local.report["checks"]]


@pytest.mark.parametrize(
    ("written", "code"), [('["\\ud83d\\ude00", "x"]', 0), ('["\\ud83d", "x"]', 2), ('["\\ude00"]', 2)]
)
def test_schema_with_escaped_halves_of_a_character(
    cd4ml: Callable[..., Run], tmp_path: Path, written: str, code: int
) -> None:
    """Two halves as JSON writes them are the character; a half alone is refused, and no internal error."""
    (tmp_path / "t.csv").write_text("mood\n\U0001f600\nx\n", encoding="utf-8")
    (tmp_path / "schema.json").write_text(
        f'{{"columns": {{"mood": {{"dtype": "str", "checks": {{"isin": {written}}}}}}}}}'
    )

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.json")

    assert run.code == code, run.report["summary"]


def test_address_that_is_none__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """An address that cannot be split is bad input; only its scheme is shown."""
    (tmp_path / "schema.yaml").write_text(json.dumps(SCHEMA))

    run = cd4ml("validate-data", "--data", "https://[::1/t.csv?signature=abc", "--schema", "schema.yaml")

    assert run.code == 2 and "signature" not in json.dumps(run.report["checks"])


def test_infer__says_what_the_stages_must_be_told(
    cd4ml: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proposal from a declared dialect comes with what to declare for the stages."""
    (tmp_path / "t.csv").write_text(text(";", ","))
    dialect = ["--delimiter", ";", "--decimal", ",", "--missing-values", "Brno"]

    run = cd4ml("schema", "infer", "--data", "t.csv", "--output", "schema.yaml", *dialect, capsys=capsys)

    assert run.code == 0 and "Declare delimiter, decimal, missing-values for the stages" in run.stdout
    assert cd4ml("validate-data", "--data", "t.csv", "--schema", "schema.yaml", *dialect).code == 0
