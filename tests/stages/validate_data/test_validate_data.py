"""validate-data: each rule with a table or schema that it must block, and one that it must pass."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.checks.data.table import freshness_check
from cd4ml.report import Status
from tests.conftest import Run

SCHEMA = """\
schema_type: dataframe
api: pandas
columns:
  id:
    dtype: int64
    unique: true
    checks:
      greater_than_or_equal_to: 0
  income:
    dtype: float64
    nullable: true
    checks:
      in_range: {min_value: 0, max_value: 100, include_min: true, include_max: true}
  city:
    dtype: str
    checks:
      isin: [Oslo, Bergen]
strict: true
"""
Validate = Callable[..., Run]


def good(rows: int = 20) -> pd.DataFrame:
    """Return a table that meets the schema."""
    incomes = np.linspace(0, 100, rows)
    incomes[3] = np.nan
    return pd.DataFrame({"id": range(rows), "income": incomes, "city": ["Oslo", "Bergen"] * (rows // 2)})


@pytest.fixture
def validate(cd4ml: Callable[..., Run], tmp_path: Path) -> Validate:
    """Write table and schema, and validate."""

    def run(
        table: pd.DataFrame | str | bytes, *arguments: str, schema: str = SCHEMA, name: str = "data.parquet"
    ) -> Run:
        path = tmp_path / name
        if isinstance(table, pd.DataFrame):
            table.to_parquet(path, index=False)
        else:
            path.write_bytes(table.encode() if isinstance(table, str) else table)
        if schema:
            (tmp_path / "schema.yaml").write_text(schema)
        given = [] if "--schema" in arguments else ["--schema", "schema.yaml"]
        return cd4ml("validate-data", "--data", name, *given, *arguments)

    return run


def check(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(item for item in run.report["checks"] if item["id"] == check_id)


def test_good_table__passes_and_lists_every_check(validate: Validate) -> None:
    """A good table passes, and every rule of the schema is listed with the rows it looked at."""
    run = validate(good())

    ids = {item["id"] for item in run.report["checks"]}
    assert (run.code, run.report["status"]) == (0, "passed")
    assert {"unique:id", "greater_than_or_equal_to:id", "in_range:income", "isin:city", "not-nullable:city"} <= ids
    assert {"dtype:id", "dtype:income", "dtype:city", "present:id", "strict", "finite:income"} <= ids
    assert {item["n"] for item in run.report["checks"]} == {20}
    assert run.report["inputs"][0]["rows"] == 20


@pytest.mark.parametrize(
    ("change", "check_id", "failing"),
    [
        (lambda t: t.assign(id=[-1, -2, *range(18)]), "greater_than_or_equal_to:id", 2),
        (lambda t: t.assign(income=t["income"].where(t.index > 1, 101.0)), "in_range:income", 2),
        (lambda t: t.assign(city=["Paris", *t["city"][1:]]), "isin:city", 1),
        (lambda t: t.assign(city=[None, None, None, *t["city"][3:]]), "not-nullable:city", 3),
        (lambda t: t.assign(id=[5, *t["id"][1:]]), "unique:id", 2),
        (lambda t: t.assign(id=t["id"].astype(float)), "dtype:id", 1),
        (lambda t: t.assign(id=t["id"].astype(str)), "dtype:id", 1),
        (lambda t: t.drop(columns="city"), "present:city", 1),
        (lambda t: t.assign(extra=1), "strict", 1),
    ],
)
def test_each_rule__blocks(
    validate: Validate, change: Callable[[pd.DataFrame], pd.DataFrame], check_id: str, failing: int
) -> None:
    """Breaking a rule fails that rule's check, with the number of rows that break it."""
    run = validate(change(good()))

    found = check(run, check_id)
    assert (run.code, run.report["status"]) == (1, "failed")
    assert (found["status"], found["value"]) == ("failed", failing)


def test_all_failures__are_collected(validate: Validate) -> None:
    """One run reports every broken rule, not the first."""
    bad = good().assign(city="Paris", income=-1.0, id=0)

    failed = {item["id"] for item in validate(bad).report["checks"] if item["status"] == "failed"}

    assert failed == {"isin:city", "in_range:income", "unique:id"}


@pytest.mark.parametrize("rows", [0, 1])
def test_truncated_table__blocks(validate: Validate, rows: int) -> None:
    """An empty table meets every rule about rows, and one row nearly so: both fail."""
    run = validate(good().head(rows))

    assert run.code == 1
    assert check(run, "minimum-rows")["reason"] == "too-few-rows"


def test_minimum_rows__is_respected(validate: Validate) -> None:
    """A row floor blocks a table below it."""
    assert validate(good(), "--minimum-rows", "20").code == 0
    assert validate(good(), "--minimum-rows", "21").code == 1


def test_infinities__block(validate: Validate) -> None:
    """An infinity meets a one-sided bound; it fails all the same, unless the column is named."""
    schema = SCHEMA.replace("in_range: {min_value: 0, max_value: 100, include_min: true, include_max: true}", "ge: 0")
    schema = schema.replace("      ge: 0", "      greater_than_or_equal_to: 0")
    table = good().assign(income=np.inf)

    run = validate(table, schema=schema)
    assert (run.code, check(run, "finite:income")["value"]) == (1, 20)
    assert validate(table, "--allow-infinite", "income", schema=schema).code == 0


def test_all_null_column__blocks(validate: Validate) -> None:
    """A nullable column without any value meets every bound; it fails all the same."""
    run = validate(good().assign(income=np.nan))

    assert (run.code, check(run, "has-values:income")["reason"]) == (1, "all-null")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("schema_type: dataframe\ncolumns: {}\n", "names no columns"),
        ("columns:\n  id: {nullable: true}\n", "checks nothing"),
        (SCHEMA.replace("      isin: [Oslo, Bergen]", "      is_in: [Oslo, Bergen]"), "is_in"),
        (SCHEMA.replace("    unique: true", "    uniqe: true"), "uniqe"),
        (SCHEMA.replace("strict: true", "strct: true"), "strct"),
        (SCHEMA + "drop_invalid_rows: true\n", "drop_invalid_rows"),
        (SCHEMA.replace("api: pandas", "api: polars"), "Polars"),
        ("columns: [\n", "invalid YAML"),
        ("a: 1\n", "no mapping `columns`"),
    ],
)
def test_untrustworthy_schema__refused(validate: Validate, schema: str, words: str) -> None:
    """A schema that checks nothing, or less than it names, is refused before any data is looked at."""
    run = validate(good(), schema=schema)

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["summary"]


def test_switched_off_by_environment__not_listened_to(validate: Validate, monkeypatch: pytest.MonkeyPatch) -> None:
    """pandera can be switched off by its configuration; the gate validates all the same."""
    from pandera.config import config_context

    with config_context(validation_enabled=False):
        run = validate(good().assign(city="Paris"))

    assert run.code == 1


MODULE = """
import pandera.pandas as pa


class Good(pa.DataFrameModel):
    id: int = pa.Field(ge=0)


def crash(values):
    raise RuntimeError("no such table")


Crashing = pa.DataFrameSchema({"id": pa.Column(int, pa.Check(crash, name="crash"))})
Warning = pa.DataFrameSchema({"id": pa.Column(int, pa.Check.ge(100, raise_warning=True))})
Dropping = pa.DataFrameSchema({"id": pa.Column(int, pa.Check.ge(100))}, drop_invalid_rows=True)
Row = pa.DataFrameSchema({"id": pa.Column(int)}, checks=pa.Check(lambda t: t["income"] < 50, name="poor"))
nothing = 3
"""


@pytest.mark.parametrize(
    ("attribute", "code", "words"),
    [
        ("Good", 0, "hold"),
        ("Crashing", 2, "RuntimeError in schemas_crashing.py:10"),
        ("Warning", 1, "breaks greater_than_or_equal_to(100) in 20 of 20 rows"),
        ("Dropping", 2, "drops the rows that should fail"),
        ("Row", 1, "poor"),
        ("nothing", 2, "not a pandera.pandas DataFrameSchema"),
        ("absent", 2, "absent"),
    ],
)
def test_schema_from_module(validate: Validate, tmp_path: Path, attribute: str, code: int, words: str) -> None:
    """A schema in Python works; its crashing, warning and dropping checks do not let anything pass."""
    name = f"schemas_{attribute.lower()}"  # modules stay imported between tests
    (tmp_path / f"{name}.py").write_text(MODULE)

    run = validate(good(), "--schema", f"{name}:{attribute}", schema="")

    assert run.code == code
    assert words in str(run.report["summary"]) + str(run.report["checks"])


def test_missing_things__unavailable(validate: Validate, cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Missing data, schema or module is exit code 3."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)

    assert cd4ml("validate-data", "--data", "nowhere.csv", "--schema", "schema.yaml").code == 3
    assert validate(good(), "--schema", "nowhere.yaml").code == 3
    assert validate(good(), "--schema", "nowhere_at_all:Schema").code == 3


CSV = "id,income,city\n0,1.5,Oslo\n1,,Bergen\n2,99,Oslo\n"


def test_csv__passes(validate: Validate) -> None:
    """CSV with and without a byte-order mark, and compressed, reads the same."""
    assert validate(CSV, name="data.csv").code == 0
    assert validate(b"\xef\xbb\xbf" + CSV.encode(), name="data.csv").code == 0
    assert validate(gzip.compress(CSV.encode()), name="data.csv.gz").code == 0


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("", 2, "CSV"),
        ("id,income,city\n", 1, "0 rows"),
        ("id,income,city\n0,1.5\n1,2,Oslo\n", 2, "Expected 3 columns, got 2"),
        ("id,income,city\n0,1.5,Oslo,x\n1,2,Oslo\n", 2, "Expected 3 columns, got 4"),
        ("id,id,city\n0,1,Oslo\n1,2,Oslo\n", 2, "more than one column is named 'id'"),
        (b"id,income,city\n0,1,\xff\xfe\n1,2,Oslo\n", 2, "UTF-8"),
        (b"id\x00,income,city\n0,1,Oslo\n", 2, "NUL"),
    ],
)
def test_bad_csv__refused(validate: Validate, content: str | bytes, code: int, words: str) -> None:
    """Empty, ragged, doubled and badly encoded files end in one clear message."""
    run = validate(content, name="data.csv")

    assert run.code == code
    assert words in run.report["summary"]


def test_bad_parquet__refused(validate: Validate, tmp_path: Path) -> None:
    """What is no Parquet, or has two columns of one name, is refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert validate(b"PAR1 nothing PAR1", name="data.parquet").code == 2
    pq.write_table(pa.table([[1, 2], [3, 4]], names=["id", "id"]), tmp_path / "double.parquet")
    run = validate(good(), "--data", "double.parquet")
    assert run.code == 2 and "more than one column is named 'id'" in run.report["summary"]


def test_parquet_bomb__refused(validate: Validate, tmp_path: Path) -> None:
    """A file of a megabyte that promises gigabytes is refused from its footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"x": pa.nulls(10_000_000, pa.float64())})
    with pq.ParquetWriter(tmp_path / "bomb.parquet", table.schema) as writer:
        for _ in range(60):
            writer.write_table(table)

    run = validate(good(), "--data", "bomb.parquet")

    assert run.code == 2 and "refused as hostile" in run.report["summary"]


def test_values_stay_private(validate: Validate) -> None:
    """Values of failing rows are in the report only if that is asked for; row numbers always."""
    table = good().assign(city=["Atlantis", *good()["city"][1:]])

    private = validate(table).report
    assert "Atlantis" not in str(private)
    assert private["details"]["data.parquet"]["samples"]["isin:city"] == [{"row": 0}]

    assert "Atlantis" in str(validate(table, "--include-values").report)


def test_samples__are_bounded(validate: Validate) -> None:
    """However many rows fail, at most ten are sampled."""
    run = validate(good(2000).assign(city="Paris"))

    assert len(run.report["details"]["data.parquet"]["samples"]["isin:city"]) == 10
    assert check(run, "isin:city")["value"] == 2000


def test_several_tables__each_is_checked(validate: Validate, tmp_path: Path) -> None:
    """A bad second table fails, and its checks carry its name."""
    good().assign(city="Paris").to_parquet(tmp_path / "second.parquet", index=False)

    run = validate(good(), "--data", "second.parquet")

    assert run.code == 1
    assert check(run, "isin:city@second.parquet")["status"] == "failed"
    assert check(run, "isin:city@data.parquet")["status"] == "passed"


@pytest.mark.parametrize(
    ("age", "reason", "words"),
    [
        (0.0, None, "0.0 hours ago"),
        (24.0, None, "24.0 hours ago"),
        (24.01, "stale", "24.0 hours ago"),
        (-0.5, "in-the-future", "0.5 hours in the future"),
        (None, "no-time", "it holds no time"),
    ],
)
def test_latest_time__neither_old_nor_to_come(age: float | None, reason: str | None, words: str) -> None:
    """Data are fresh up to the limit itself; times to come, and a column without any time, are not fresh."""
    now = datetime(2026, 3, 1, 12)
    check = freshness_check("at", None if age is None else now - timedelta(hours=age), now, 24.0, 10)

    assert (check.status is Status.PASSED, check.reason) == (reason is None, reason)
    assert words in check.message
