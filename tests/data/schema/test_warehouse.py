"""The same checks on DuckDB and on Spark, through Ibis: counts equal to the local ones, to the last row."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run, need_program, run_cd4ml

# The size that the promise is about takes minutes: CD4ML_ROWS=1000000.
ROWS = int(os.environ.get("CD4ML_ROWS", "20000"))
ODD = ["a'b", "a\\b", "%", '"', "é", "e\u0301", "é\n", "١é", "𝒳é", "\u1e4d0é", "a_é", "", "a b"]
FAULTS = {"unique:key", "unique:city, count", "strict", "finite:amount", "in_range:at", "not_equal_to:at"}
SCHEMA = """\
columns:
  key: {dtype: int64, unique: true, checks: {greater_than_or_equal_to: 0}}
  count: {dtype: int32, checks: {in_range: {min_value: 0, max_value: 90, include_min: true, include_max: false}}}
  amount: {dtype: float64, checks: {less_than: 95, not_equal_to: 0.5}}
  rate: {dtype: float32, nullable: true, checks: {greater_than: 0.1}}
  city: {dtype: str, nullable: true, checks: {isin: [Oslo, Bergen, 'Å'], str_length: {min_value: 2, max_value: 6}}}
  code: {dtype: str, checks: {str_matches: '^[A-Z]{2}-\\d+$', str_startswith: A}}
  paid: {dtype: bool, checks: {isin: [true]}}
  word:
    dtype: str
    checks:
      str_contains: '^\\w+$'
      notin: ["a'b", 'a\\b', '%', '"']
      str_endswith: é
      str_length: {min_value: 1, max_value: 3}
  at:
    dtype: 'datetime64[ns]'
    nullable: true
    checks:
      in_range: {min_value: 2026-01-01 00:10:00, max_value: 2026-01-01 04:00:00, include_min: false, include_max: true}
      not_equal_to: 2026-01-01 01:00:00.500
unique: [city, count]
strict: true
ordered: true
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table in which every rule is broken somewhere, and its schema."""
    folder = tmp_path_factory.mktemp("faulty")
    rng = np.random.default_rng(11)
    n = ROWS
    key = rng.permutation(n)
    key[:7] = key[7:14]
    amount = rng.uniform(0, 100, n)
    amount[rng.random(n) < 0.01] = np.nan
    amount[5], amount[6], amount[7] = np.inf, -np.inf, 0.5
    rate = rng.uniform(0, 1, n).astype("float32")
    rate[:3] = np.float32(0.1), np.nan, np.inf
    gaps = rng.random(n) < 0.02
    table = pa.table(
        {
            "key": key,
            "count": pa.array(rng.integers(0, 100, n).astype("int32")),
            "amount": amount,
            "rate": rate,
            "city": pa.array(rng.choice(["Oslo", "Bergen", "Å", "Trondheim"], n), mask=gaps),
            "code": rng.choice(["AB-12", "AB-x", "BC-3", "ab-1"], n),
            "paid": rng.random(n) < 0.9,
            "word": rng.choice(ODD, n),
            "at": pa.array(np.datetime64("2026-01-01", "us") + np.arange(n) * np.timedelta64(500, "ms"), mask=gaps),
            "other": np.ones(n),
        }
    )
    pq.write_table(table, folder / "t.parquet", row_group_size=3000)
    (folder / "schema.yaml").write_text(SCHEMA)
    return folder


def counts(run: Run) -> dict[str, tuple[str, object]]:
    """Return the status and the count of every check."""
    assert run.code == 1, run.stderr
    return {item["id"]: (item["status"], item["value"]) for item in run.report["checks"]}


@pytest.fixture(scope="module")
def local(faulty: Path) -> dict[str, tuple[str, object]]:
    """Return what the local engine counts."""
    return counts(run_cd4ml(faulty, "validate-data", "--data", "t.parquet", "--schema", "schema.yaml"))


def test_faults__are_in_the_table(local: dict[str, tuple[str, object]]) -> None:
    """The table breaks rules of every kind, so that equal counts mean something."""
    broken = {name for name, (status, _) in local.items() if status == "failed"}

    assert len(broken) > 16 and FAULTS <= broken


def test_duckdb__counts_the_same(faulty: Path, local: dict[str, tuple[str, object]]) -> None:
    """A table inside a DuckDB database gives the verdicts and counts of the file."""
    database = faulty / "warehouse.ddb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"create or replace table loans as select * from '{faulty / 't.parquet'}'")
    command = ["validate-data", "--data", "loans", "--schema", "schema.yaml", "--backend", f"ibis://duckdb/{database}"]

    assert counts(run_cd4ml(faulty, *command)) == local


@pytest.mark.parametrize("kind", ["Arrow", "Delta", "pin"])
def test_other_kinds_of_tables__are_given_to_the_engine(tmp_path: Path, kind: str) -> None:
    """What an engine would not read, or read with rows that were deleted, it is given as every stage reads it."""
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64, checks: {greater_than: 1}}\n")
    table = pl.DataFrame({"a": [1, 1, 2]})
    if kind == "Arrow":
        table.write_ipc(tmp_path / "t.arrow")
    elif kind == "Delta":
        pl.DataFrame({"a": [1] * 9}).write_delta(tmp_path / "t")
        table.write_delta(tmp_path / "t", mode="overwrite")
    else:
        table.write_parquet(tmp_path / "t.parquet")
        md5 = hashlib.md5((tmp_path / "t.parquet").read_bytes(), usedforsecurity=False).hexdigest()
        (tmp_path / "t.dvc").write_text(f"outs:\n- md5: {md5}\n  hash: md5\n  path: t.parquet\n")
    name = {"Arrow": "t.arrow", "Delta": "t", "pin": "t.dvc"}[kind]
    command = ["validate-data", "--data", name, "--schema", "schema.yaml", "--backend", "ibis://duckdb/:memory:"]

    run = run_cd4ml(tmp_path, *command)

    assert run.report["metrics"]["rows"] == {name: 3} and counts(run)["greater_than:a"] == ("failed", 2)


def test_spark__counts_the_same(faulty: Path, local: dict[str, tuple[str, object]], tmp_path: Path) -> None:
    """Spark in local mode gives the verdicts and counts of the local engine."""
    need_program("java")
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml", "--backend", "spark"]
    settings = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(tmp_path), "PATH": os.environ["PATH"]}

    assert counts(run_cd4ml(faulty, *command, env=settings)) == local


CLASSES = [r"\d", r"\w", r"\s", r"[^\w]"]


@pytest.mark.parametrize("engine", ["ibis://duckdb/:memory:", "spark"])
def test_classes_of_characters__are_pythons_everywhere(engine: str, tmp_path: Path) -> None:
    """As many characters of Unicode as Python has outside of a class, every engine has, of whatever year it is."""
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    names = {f"c{number}": pattern for number, pattern in enumerate(CLASSES)}
    column = pa.array(characters)
    pq.write_table(pa.table(dict.fromkeys(names, column)), tmp_path / "t.parquet", use_dictionary=False)
    lines = [f"  {name}: {{dtype: str, checks: {{str_matches: '{pattern}'}}}}" for name, pattern in names.items()]
    (tmp_path / "schema.yaml").write_text("\n".join(["columns:", *lines, ""]))
    if engine == "spark":
        need_program("java")
    settings = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(tmp_path), "PATH": os.environ["PATH"]}
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml", "--backend", engine]

    found = counts(run_cd4ml(tmp_path, *command, env=settings))

    for name, pattern in names.items():
        outside = sum(not re.match(pattern, character) for character in characters)
        assert (pattern, found[f"str_matches:{name}"][1]) == (pattern, outside)


@pytest.mark.parametrize(
    ("data", "engine", "schema", "code", "words"),
    [
        ("loans", "ibis://duckdb/nowhere/x.ddb", "columns:\n  a: {dtype: int64}\n", 3, "cannot read this table"),
        ("t.csv", "duckdb", "columns:\n  a: {dtype: int64}\n", 2, "expected local, spark or ibis://"),
        (
            "t.csv",
            "ibis://duckdb/w.ddb",
            "columns:\n  a: {dtype: float32, coerce: true}\n",
            2,
            "coercion of column a",
        ),
        (
            "t.csv",
            "ibis://duckdb/w.ddb",
            "columns:\n  a: {dtype: int64, checks: {unique_values_eq: [1]}}\n",
            2,
            "the check unique_values_eq of column a",
        ),
    ],
    ids=["no such database", "no such engine", "coercion", "pandera's own check"],
)
def test_what_an_engine_cannot_do__is_refused(
    tmp_path: Path, data: str, engine: str, schema: str, code: int, words: str
) -> None:
    """What cannot be evaluated is named and refused, never left out."""
    (tmp_path / "schema.yaml").write_text(schema)
    (tmp_path / "t.csv").write_text("a\n1\n2\n")

    run = run_cd4ml(tmp_path, "validate-data", "--data", data, "--schema", "schema.yaml", "--backend", engine)

    assert run.code == code and words in run.report["summary"]


def test_patterns__are_refused_where_nobody_has_seen_what_they_mean(tmp_path: Path) -> None:
    """SQLite would read the pattern by rules of its own; the other checks are computed there."""
    with sqlite3.connect(tmp_path / "w.db") as connection:
        connection.execute("create table loans (code text)")
        connection.executemany("insert into loans values (?)", [("A1",), ("B2",), ("B2",)])
    connection.close()
    (tmp_path / "pattern.yaml").write_text("columns:\n  code: {dtype: str, checks: {str_matches: '[A-Z]1'}}\n")
    (tmp_path / "set.yaml").write_text("columns:\n  code: {dtype: str, checks: {isin: [A1]}}\n")
    command = ["validate-data", "--data", "loans", "--backend", f"ibis://sqlite/{tmp_path / 'w.db'}"]

    refused = run_cd4ml(tmp_path, *command, "--schema", "pattern.yaml")
    counted = counts(run_cd4ml(tmp_path, *command, "--schema", "set.yaml"))

    assert refused.code == 2 and "the pattern of str_matches of column code on sqlite" in refused.report["summary"]
    assert counted["isin:code"] == ("failed", 2)
