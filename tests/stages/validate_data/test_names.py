"""Columns whose names mean something to a library: each is judged by its own values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run, run_cd4ml

# A name, and the column that a library would look at in its place.
PATTERNS = [("^amount$", "amount"), ("^.*$", "amount"), ("*", "amount"), ("^(amount|id)$", "id")]
KINDS = ["csv", "parquet", "feather"]


def write(table: pl.DataFrame, path: Path) -> str:
    """Write a table as its file's name says, and return the name."""
    if path.suffix == ".csv":
        table.write_csv(path)
    elif path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.write_ipc(path)
    return path.name


def schema(**columns: dict[str, Any]) -> str:
    """Return a schema of columns."""
    return json.dumps({"columns": columns})


@pytest.fixture
def failed(cd4ml: Callable[..., Run], tmp_path: Path) -> Callable[..., list[str]]:
    """Validate a table and return the checks that did not pass."""

    def run(data: str, demanded: str, *arguments: str) -> list[str]:
        (tmp_path / "schema.yaml").write_text(demanded)
        found = cd4ml("validate-data", "--data", data, "--schema", "schema.yaml", *arguments)
        assert found.code in (0, 1), found.report
        return [check["id"] for check in found.report["checks"] if check["status"] != "passed"]

    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_numbers__of_a_column_named_like_a_pattern(
    failed: Callable[..., list[str]], tmp_path: Path, kind: str, name: str, other: str
) -> None:
    """Bounds are held against the column itself, and not against those that its name matches."""
    bad = pl.DataFrame({name: [-1.5, -2.5, 3.5], other: [1.0, 2.0, 3.0]})
    both = {column: {"dtype": "float64", "checks": {"greater_than": 0}} for column in (name, other)}

    assert failed(write(bad, tmp_path / f"t.{kind}"), schema(**both)) == [f"greater_than:{name}"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "other"), PATTERNS)
def test_texts_and_gaps__of_a_column_named_like_a_pattern(
    failed: Callable[..., list[str]], tmp_path: Path, kind: str, name: str, other: str
) -> None:
    """Categories, gaps and patterns of values are the column's own."""
    bad = pl.DataFrame({name: ["x", None, "y"], other: ["a", "a", "b"]})
    both = {
        column: {"dtype": "str", "checks": {"isin": ["a", "b"], "str_matches": "[ab]$"}} for column in (name, other)
    }

    found = failed(write(bad, tmp_path / f"t.{kind}"), schema(**both))

    assert sorted(found) == sorted([f"not-nullable:{name}", f"isin:{name}", f"str_matches:{name}"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["^id$", "*", "row", "key", "first", "n", "value0", "len", "a.b"])
def test_keys__under_names_that_queries_use(
    failed: Callable[..., list[str]], tmp_path: Path, kind: str, name: str
) -> None:
    """A value that repeats is found, with its rows, whatever the column is called; a key of two columns likewise."""
    table = pl.DataFrame({"id": ["p", "q", "r", "s"], name: ["u", "v", "v", "w"], "z": [1, 2, 2, 3]})
    data = write(table, tmp_path / f"t.{kind}")
    columns = {"id": {"unique": True}, name: {"unique": True}, "z": {}}
    demanded = json.dumps({"columns": columns, "unique": [name, "z"]})

    assert failed(data, demanded) == [f"unique:{name}", f"unique:{name}, z"]
    report = json.loads((tmp_path / "reports" / "validate-data.json").read_text())
    rows = report["details"][data]["samples"][f"unique:{name}"]
    assert [item["row"] for item in rows] == [1, 2]


def test_nested_column__is_not_taken_for_the_one_with_a_dot(failed: Callable[..., list[str]], tmp_path: Path) -> None:
    """The footer of `geo` with a field `lat` says nothing about a column named `geo.lat`."""
    table = pa.table({"geo.lat": [-7, -8], "geo": [{"lat": 1}, {"lat": 2}]})
    pq.write_table(table, tmp_path / "t.parquet")

    assert failed("t.parquet", schema(**{"geo.lat": {"checks": {"greater_than": 0}}})) == ["greater_than:geo.lat"]


@pytest.mark.parametrize("name", ["^amount$", "*", "n", 'quo"te', "semi;colon", "rows"])
def test_warehouse__judges_the_column_itself(tmp_path: Path, name: str) -> None:
    """A query of DuckDB is about the column itself: its bounds, and its repeated values."""
    write(pl.DataFrame({name: [-1, -1, 5], "amount": [1, 2, 3]}), tmp_path / "t.parquet")
    both = {column: {"dtype": "int64", "unique": True, "checks": {"greater_than": 0}} for column in (name, "amount")}
    (tmp_path / "schema.yaml").write_text(schema(**both))
    command = ["--data", "t.parquet", "--schema", "schema.yaml", "--backend", "ibis://duckdb/w.ddb"]

    run = run_cd4ml(tmp_path, "validate-data", *command)

    failed = {check["id"]: check["value"] for check in run.report["checks"] if check["status"] != "passed"}
    assert failed == {f"unique:{name}": 2, f"greater_than:{name}": 2}, run.stderr


def test_warehouse__takes_no_file_name_for_a_pattern(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A file `t[1].parquet` is refused: an engine would read `t1.parquet` in its place."""
    write(pl.DataFrame({"a": [-1, -2]}), tmp_path / "t[1].parquet")
    write(pl.DataFrame({"a": [1, 2]}), tmp_path / "t1.parquet")
    (tmp_path / "schema.yaml").write_text(schema(a={"dtype": "int64", "checks": {"greater_than": 0}}))

    run = cd4ml(
        "validate-data", "--data", "t[1].parquet", "--schema", "schema.yaml", "--backend", "ibis://duckdb/w.ddb"
    )

    assert run.code == 2 and "pattern" in run.report["summary"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "csv"])  # which has no type for times
def test_freshness__of_a_column_named_like_a_pattern(cd4ml: Callable[..., Run], tmp_path: Path, kind: str) -> None:
    """The age of data is read from the column that is named."""
    times = pl.DataFrame({"^t$": ["2001-01-01", "2001-01-02"], "t": ["2999-01-01", "2999-01-02"]})
    data = write(times.select(pl.all().str.to_datetime()), tmp_path / f"t.{kind}")
    (tmp_path / "schema.yaml").write_text(schema(**{"^t$": {}, "t": {}}))

    run = cd4ml("validate-data", "--data", data, "--schema", "schema.yaml", "--freshness", "^t$=24")

    found = next(check for check in run.report["checks"] if check["id"] == "fresh:^t$")
    assert (run.code, found["reason"]) == (1, "stale")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_infer__proposes_for_the_column_itself(cd4ml: Callable[..., Run], tmp_path: Path, kind: str) -> None:
    """What is proposed for columns with odd names comes from their own values, and the data meet it."""
    table = pl.DataFrame({"^b$": [10, 20, 20], "b": [1.5, 2.5, 3.5], "*": ["x", "y", "y"], "row": [3, 1, 2]})
    data = write(table, tmp_path / f"t.{kind}")

    assert cd4ml("schema", "infer", "--data", data, "--output", "schema.yaml").code == 0
    assert cd4ml("validate-data", "--data", data, "--schema", "schema.yaml").code == 0
    worse = table.with_columns(pl.Series("^b$", [10, 20, 9000]))
    assert cd4ml("validate-data", "--data", write(worse, tmp_path / f"u.{kind}"), "--schema", "schema.yaml").code == 1


def test_column_without_a_name__beside_checks_of_the_table(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Where a column could be taken for the whole table, nothing is passed: the table is refused."""
    write(pl.DataFrame({"": ["x", "y"], "a": [1, 2]}), tmp_path / "t.parquet")
    (tmp_path / "rules.py").write_text(
        "import pandera.pandas as pa\n"
        "own = pa.Check(lambda column: column == 'x', name='own')\n"
        "schema = pa.DataFrameSchema({'': pa.Column(str, own)}, checks=pa.Check(lambda table: table['a'] > 0))\n"
    )

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "rules:schema")

    assert run.code == 2 and "no name" in run.report["summary"]


def test_separators_in_names__ids_apart(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Columns and tables whose names hold what separates in ids have checks of their own, which `warn` can name."""
    columns = ["a", "a:b", "a@x.csv", "a%3Ab", "x:a"]
    (tmp_path / "schema.yaml").write_text(schema(**{name: {"nullable": False} for name in columns}))
    for table in ("x.csv", "x.csv@x.csv"):
        pl.DataFrame({name: [1, None] for name in columns}).write_csv(tmp_path / table)
    shutil.copy(tmp_path / "x.csv@x.csv", tmp_path / "y@x.csv")
    warned = [f"not-nullable:{name}" for name in ("a", "a%3Ab", "a%40x.csv", "a%253Ab", "x%3Aa")]
    data = ("--data", "x.csv", "--data", "y@x.csv", "--schema", "schema.yaml")

    blocked, let = cd4ml("validate-data", *data), cd4ml("validate-data", *data, "--warn", ",".join(warned))

    assert (blocked.code, let.code) == (1, 0)
    failed = {check["id"] for check in blocked.report["checks"] if check["status"] == "failed"}
    assert failed == {f"{id}@{table}" for id in warned for table in ("x.csv", "y%40x.csv")}


def test_check_called_like_a_demand__has_an_id_of_its_own(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A check that the user names `unique` is neither the schema's own `unique` nor lost beside it."""
    (tmp_path / "own.py").write_text(
        "import pandera.pandas as pa\n"
        "own = pa.Check(lambda values: values > 1, name='unique')\n"
        "other = pa.Check(lambda values: values < 3, name='unique#2')\n"
        "schema = pa.DataFrameSchema({'a': pa.Column(int, [own, other], unique=True)})\n"
    )
    pl.DataFrame({"a": [1, 2, 3]}).write_csv(tmp_path / "t.csv")

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "own:schema")

    found = {check["id"]: check["status"] for check in run.report["checks"]}
    assert {name: found[name] for name in ("unique:a", "unique#2:a", "unique#2#2:a")} == {
        "unique:a": "passed",
        "unique#2:a": "failed",
        "unique#2#2:a": "failed",
    }


def test_table_named_twice__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A table that is named twice is refused: it would be judged twice under one name."""
    (tmp_path / "schema.yaml").write_text(schema(a={}))
    pl.DataFrame({"a": [1]}).write_csv(tmp_path / "t.csv")

    run = cd4ml("validate-data", "--data", "t.csv", "--data", "t.csv", "--schema", "schema.yaml")

    assert run.code == 2 and "data: t.csv is named twice" in run.report["summary"]


def test_column_of_two_parts__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A column that two parts of a schema are about is refused: one would be counted for the other."""
    (tmp_path / "data.csv").write_text("a,ab\n1,2\n5,6\n")
    columns = {"a": "{dtype: int64, checks: {greater_than_or_equal_to: 3}}"}
    columns["'a.*'"] = "{dtype: int64, regex: true, checks: {greater_than_or_equal_to: 0}}"
    parts = "\n".join(f"  {name}: {part}" for name, part in columns.items())
    (tmp_path / "schema.yaml").write_text(f"schema_type: dataframe\ncolumns:\n{parts}\n")

    run = cd4ml("validate-data", "--data", "data.csv", "--schema", "schema.yaml")

    assert run.code == 2
    assert "column `a` is matched by `a` and `a.*`" in run.report["checks"][0]["message"]
