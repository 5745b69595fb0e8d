"""Schemas as pandera has written them over the years, each with the same demands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run

GOOD = pd.DataFrame({"id": [1, 2, 3], "age": [20.0, 30.0, None], "city": ["a", "b", "a"]})
TAIL = "checks: null\nindex: null\ncoerce: false\nstrict: true\n"
DIALECTS = {
    "0.6": """\
schema_type: dataframe
version: 0.6.5
columns:
  id: {pandas_dtype: int64, nullable: false, checks: {greater_than: 0}, allow_duplicates: false, coerce: false,
       required: true, regex: false}
  age: {pandas_dtype: float64, nullable: true, checks: {in_range: {min_value: 0, max_value: 99}},
        allow_duplicates: true, coerce: false, required: true, regex: false}
  city: {pandas_dtype: string, nullable: false, checks: {isin: [a, b]}, allow_duplicates: true}
"""
    + TAIL,
    "0.7": """\
schema_type: dataframe
version: 0.7.0
columns:
  id: {dtype: int64, nullable: false, checks: {greater_than: 0}, allow_duplicates: false}
  age: {dtype: float64, nullable: true, checks: {in_range: {min_value: 0, max_value: 99}}, allow_duplicates: true}
  city: {dtype: str, nullable: false, checks: {isin: [a, b]}, allow_duplicates: true}
"""
    + TAIL,
    "0.13": """\
schema_type: dataframe
version: 0.13.4
columns:
  id: {title: null, description: null, dtype: int64, nullable: false, checks: {greater_than: {min_value: 0}},
       unique: true, coerce: false, required: true, regex: false}
  age: {title: null, dtype: float64, nullable: true, checks: {in_range: {min_value: 0, max_value: 99}}, unique: false}
  city: {title: null, dtype: str, nullable: false, checks: {isin: {allowed_values: [a, b]}}, unique: false}
dtype: null
name: null
ordered: false
unique: null
report_duplicates: all
unique_column_names: false
add_missing_columns: false
title: null
description: null
"""
    + TAIL,
    "0.24": """\
schema_type: dataframe
version: 0.24.0
columns:
  id:
    dtype: int64
    nullable: false
    checks:
    - value: 0
      options: {check_name: greater_than, raise_warning: false, ignore_na: true}
    unique: true
  age:
    dtype: float64
    nullable: true
    checks:
    - min_value: 0
      max_value: 99
      options: {check_name: in_range, raise_warning: false, ignore_na: true}
  city:
    dtype: str
    nullable: false
    checks:
    - value: [a, b]
      options: {check_name: isin, raise_warning: false, ignore_na: true}
    drop_invalid_rows: false
drop_invalid_rows: false
"""
    + TAIL,
    "0.35": """\
schema_type: dataframe
api: pandas
columns:
  id: {dtype: int64, unique: true, greater_than: 0}
  age: {dtype: float64, nullable: true, in_range: {min_value: 0, max_value: 99}}
  city: {dtype: str, isin: [a, b]}
strict: true
""",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects__demand_the_same(cd4ml: Callable[..., Run], tmp_path: Path, dialect: str) -> None:
    """Good data pass in every dialect, and each fault fails the same checks."""
    (tmp_path / "schema.yaml").write_text(DIALECTS[dialect])
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml"]
    GOOD.to_parquet(tmp_path / "t.parquet")
    good = cd4ml(*command)
    assert good.code == 0, good.report["summary"]
    GOOD.assign(id=[0, 0, 1], age=[100.0, 1.0, 2.0], city="c", other=1).to_parquet(tmp_path / "t.parquet")

    bad = cd4ml(*command)

    failed = {item["id"] for item in bad.report["checks"] if item["status"] != "passed"}
    assert bad.code == 1
    assert failed == {"greater_than:id", "unique:id", "in_range:age", "isin:city", "strict"}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["greater_than", "isin", "dtype", "nullable"])
def test_misspelt_name__refused_in_every_dialect(
    cd4ml: Callable[..., Run], tmp_path: Path, dialect: str, name: str
) -> None:
    """A schema that names what does not load is refused, whatever its dialect."""
    GOOD.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text(
        DIALECTS[dialect].replace(f"{name}:", f"{name}_x:").replace(f"check_name: {name}", f"check_name: {name}_x")
    )

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    assert (run.code, run.report["status"]) == (2, "error")


WORDS = """\
columns:
  paid: {dtype: str, checks: {isin: ['no', 'yes', 'off']}, MORE}
  code: {dtype: str, checks: {isin: ['010', 1e3, '12:30', ~x, 08]}}
  area: {dtype: float64, checks: {less_than: 1.0e+3}}
ordered: true
"""


@pytest.mark.parametrize(
    "more", ["nullable: false", "metadata: {owner: x}", "allow_duplicates: true, metadata: {owner: x}"]
)
def test_words_in_yaml__mean_the_same_whoever_reads_the_schema(
    cd4ml: Callable[..., Run], tmp_path: Path, more: str
) -> None:
    """`1e3` is text, as where pandera writes it, and columns keep their order, also where pandera itself must read."""
    (tmp_path / "schema.yaml").write_text(WORDS.replace("MORE", more))
    frame = pd.DataFrame({"paid": ["no", "yes", "off"], "code": ["010", "1e3", "12:30"], "area": [1.0, 2.0, 999.0]})
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml"]

    frame.to_parquet(tmp_path / "t.parquet", index=False)
    good = cd4ml(*command)
    frame[["area", "code", "paid"]].replace({"no": "False"}).to_parquet(tmp_path / "t.parquet", index=False)
    bad = cd4ml(*command)

    assert good.code == 0, good.report["summary"]
    failed = {item["id"] for item in bad.report["checks"] if item["status"] != "passed"}
    assert (bad.code, failed) == (1, {"isin:paid", "ordered"})


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("{dtype: str, checks: {isin: [SE, NO]}}", 'YAML reads `NO` as false: quote it ("NO"), or write false'),
        ("{dtype: str, checks: {isin: [010]}}", 'YAML reads `010` as the number 8: quote it ("010"), or write 8'),
        ("{dtype: str, nullable: no}", 'YAML reads `no` as false: quote it ("no"), or write false'),
        (
            "{dtype: float64, checks: {less_than: 1e3}}",
            "column `a`: YAML reads `1e3` as a text, not as a number: write 1000.0",
        ),
        (
            "{dtype: Int64, checks: {in_range: {min_value: 0, max_value: 2e-7}}}",
            "column `a`: YAML reads `2e-7` as a text, not as a number: write 2.0e-07",
        ),
    ],
)
def test_word_in_a_schema_that_is_seldom_meant_so__refused(
    cd4ml: Callable[..., Run], tmp_path: Path, column: str, message: str
) -> None:
    """A word that pandera reads otherwise than it looks is refused with what to write, and never judges the data."""
    (tmp_path / "schema.yaml").write_text(f"columns:\n  a: {column}\n")
    GOOD.to_parquet(tmp_path / "t.parquet")

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    assert run.code == 2 and message in run.report["summary"]
