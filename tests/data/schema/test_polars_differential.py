"""The engine against pandera's Polars back end: the same schemas and tables, and every difference has a name."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import polars as pl
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, event, given, settings
from pandera.config import ValidationDepth, config_context

from cd4ml.data.schema.audit import audited
from cd4ml.data.schema.engine.rules import BUILT_IN
from cd4ml.data.schema.engine.types import DTYPES
from cd4ml.data.tables.opening import open_table
from tests.data.schema.test_differential import CASES, by_pandera, cases, schema_of, verdicts

pytestmark = pytest.mark.timeout(600 + CASES)
TYPES: Mapping[str, Any] = {
    "int8": pl.Int8,
    "Int8": pl.Int8,
    "int64": pl.Int64,
    "Int64": pl.Int64,
    "uint16": pl.UInt16,
    "UInt16": pl.UInt16,
    "float32": pl.Float32,
    "float64": pl.Float64,
    "Float64": pl.Float64,
    "bool": pl.Boolean,
    "boolean": pl.Boolean,
    "str": pl.String,
    "string[pyarrow]": pl.String,
}
CHECKS = {*BUILT_IN, "unique_values_eq"}


def verdict(frame: pl.DataFrame, schema: Any) -> int | str:
    """Return in how many rows the Polars back end finds a schema broken; 1 if it names no rows."""
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(frame, lazy=True)
        except pp.errors.SchemaErrors as errors:
            cases = [error.failure_cases for error in errors.schema_errors]
            if any(error.reason_code.name == "CHECK_ERROR" for error in errors.schema_errors):
                return "crash"
            return sum(len(case) if isinstance(case, pl.DataFrame) else 1 for case in cases)
        except pl.exceptions.SchemaError:  # failed coercion and a failed check in one report
            return "crash"
    return 0


def by_polars(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> dict[tuple[str, str], int | str]:
    """Return what the Polars back end finds by rule and column, each asked alone: some it cannot report together."""
    found: dict[tuple[str, str], int | str] = {}
    loaded = schema_of(schema)
    for name, part in loaded.targets(frame.columns):
        column = loaded.column(part)
        said = str(column.dtype)
        dtype = None if column.dtype is None else pl.Datetime if said.startswith("datetime64") else TYPES.get(said)
        shared: dict[str, Any] = {"nullable": True}
        if column.coerce and dtype is not None:
            shared |= {"coerce": True, "dtype": dtype}

        def one(**rule: Any) -> int | str:
            return verdict(frame, pp.DataFrameSchema({name: pp.Column(**{**shared, **rule})}))

        if dtype is not None:
            found["dtype", name] = one(dtype=dtype)
        found["not-nullable", name] = one(nullable=column.nullable)
        found["unique", name] = one(unique=column.unique)
        for check, test in zip(column.checks, part.tests, strict=True):
            if check.name in CHECKS:
                copy = getattr(pp.Check, check.name)(**check.statistics, ignore_na=check.ignore_na)
                found[test.name, name] = one(checks=[copy])
    for name, column in schema.columns.items():
        if not column.regex:
            found["present", name] = verdict(
                frame, pp.DataFrameSchema({name: pp.Column(required=column.required, nullable=True)})
            )
    optional = {
        name: pp.Column(required=False, regex=column.regex, nullable=True) for name, column in schema.columns.items()
    }
    found["strict", ""] = verdict(frame, pp.DataFrameSchema(optional, strict=schema.strict))
    found["ordered", ""] = verdict(frame, pp.DataFrameSchema(optional, ordered=schema.ordered))
    if schema.unique:
        found["unique", ", ".join(schema.unique)] = verdict(frame, pp.DataFrameSchema(unique=schema.unique))
    return found


def nullable_types(table: arrow.Table) -> set[str]:
    """Return the columns that the file notes as pandas' nullable types: Polars knows none of them."""
    noted = json.loads((table.schema.metadata or {}).get(b"pandas", b'{"columns": []}'))["columns"]
    plain = ("int", "uint", "float", "bool", "object", "datetime", "str")  # and what begins so, but for two of pandas
    kinds = {str(column["field_name"]): str(column["numpy_type"]) for column in noted}
    own = {name for name, kind in kinds.items() if kind in ("string", "boolean") or "[py" in kind}
    return own | {name for name, kind in kinds.items() if not kind.startswith(plain)}


def other_kinds(settings: Mapping[str, Any], dtype: pl.DataType) -> bool:
    """Whether a check compares a column with values of another kind: a float with 1, a text with True."""
    compared = [item for value in settings.values() for item in (value if isinstance(value, list | tuple) else [value])]
    return any(kind(pl.Series([item]).dtype) != kind(dtype) for item in compared)


def kind(dtype: pl.DataType) -> str:
    """Return the kind of a type, without its width."""
    return "float" if dtype.is_float() else "integer" if dtype.is_integer() else str(dtype.base_type())


def difference(
    test: str,
    column: str,
    frame: pl.DataFrame,
    schema: pa.DataFrameSchema,
    polars: int | str,
    nullable: set[str],
    ours: int | str = 0,
) -> str | None:
    """Return the documented difference between pandera's back ends that a disagreement falls under."""
    if test == "ordered" and polars:
        return "order"  # Polars names the first column that is out of order, pandas all of them
    loaded = schema_of(schema)
    targets = loaded.targets(frame.columns)
    parts = [part for name, part in targets if name == column]
    together = column.split(", ")
    for name, part in targets:
        changed = frame[name].has_nulls() or TYPES.get(str(part.dtype)) != frame.schema[name]
        if name in together and part.coerce and changed:
            return "coercion"
    if any(frame.schema[name] == pl.Date for name in together):
        return "dates"
    if any(frame.schema[name] == pl.Categorical for name in together):
        return "categories"  # Polars has no checks of texts for them
    if test == "unique":
        keeps = {part.keep for part in parts}
        keeps |= {schema.report_duplicates} if column == ", ".join(schema.unique or ()) else set()
        floats = [frame[name] for name in together if frame.schema[name].is_float()]
        odd = any(values.is_nan().any() for values in floats)
        left = any(part.dtype not in (None, *DTYPES.values()) for name, part in targets if name in together)
        gaps = sum(frame[name].null_count() for name in together)
        if isinstance(polars, int) and isinstance(ours, int) and gaps and 0 < ours < polars:
            return "gaps"  # a repeated gap is counted by one and not by the other; the verdict is the same
        if polars and left and any(frame[name].has_nulls() for name in together):
            return "gaps"  # left to pandera, whose list of duplicates has no gaps in it
        return "report_duplicates" if polars and keeps != {"all"} else "not-a-number" if odd else None
    if not parts:
        return None
    values, (part,) = frame[column], parts
    checks = {item.name: item for item in part.tests}
    if column in nullable and (test == "dtype" or test in checks and values.has_nulls()):
        # They are types of their own, and a comparison with <NA> is <NA>, which pandas' checks do not count.
        return "nullable types"
    if test == "dtype":
        gaps = values.has_nulls() and (values.dtype.is_integer() or values.dtype == pl.Boolean)
        return "gaps" if gaps else "boolean" if part.dtype == "boolean" else None
    settings = checks[test].settings if test in checks else {}
    said = {item.name: check.statistics for item, check in zip(part.tests, loaded.column(part).checks, strict=True)}
    if polars == "crash" and other_kinds(said[test], values.dtype):
        return "kinds"  # Polars cannot compare a text with a number, or with a list of other kinds; pandas can
    if values.dtype.is_float() and values.is_nan().any() and test in checks:
        return "not-a-number"
    pattern = settings.get("pattern", "")
    if "$" in pattern and values.str.contains("\n").any():
        return "end"
    return "alternatives" if "|" in pattern and checks[test].kind == "str_matches" else None


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_engine__agrees_with_pandera_on_polars(case: tuple[arrow.Table, pa.DataFrameSchema, dict[str, Any]]) -> None:
    """The same rules are broken in the same number of rows, but where pandera's back ends are known to disagree."""
    table, schema, stored = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pq.write_table(table, path, **stored)
        frame = pl.read_parquet(path)
        expected = by_polars(frame, schema)
        found = verdicts(audited(open_table(path).source(), schema_of(schema)).findings)
    unexplained = {}
    for (rule, column), polars in expected.items():
        ours = found.get((rule, column), 0)
        if ours != polars:
            name = difference(rule, column, frame, schema, polars, nullable_types(table), ours)
            event(str(name))
            if name is None:
                unexplained[rule, column] = (ours, polars)
    assert not unexplained


NAN = float("nan")
DAY = datetime.date(2026, 1, 1)
LATE = pa.Check.less_than(pd.Timestamp("2026-02-01"))


@pytest.mark.parametrize(
    ("values", "column", "rule", "polars", "ours"),
    [
        pytest.param([1, None], pa.Column("int64", nullable=True), "dtype", 0, 1, id="gaps"),
        pytest.param([True], pa.Column("boolean"), "dtype", 0, 1, id="boolean"),
        pytest.param([NAN, 1.0], pa.Column(checks=pa.Check.lt(5), nullable=True), "less_than", 1, 0, id="not-a-number"),
        pytest.param([NAN, None], pa.Column(nullable=True, unique=True), "unique", 0, 2, id="not-a-number, unique"),
        pytest.param([1, 2], pa.Column(checks=pa.Check.isin([1, 2.5])), "isin", "crash", 1, id="members"),
        pytest.param(
            [1, 1], pa.Column(unique=True, report_duplicates="exclude_first"), "unique", 2, 1, id="report_duplicates"
        ),
        pytest.param(["a\n"], pa.Column(checks=pa.Check.str_matches("a$")), "str_matches", 1, 0, id="end"),
        pytest.param(["cb"], pa.Column(checks=pa.Check.str_matches("a|b")), "str_matches", 0, 1, id="alternatives"),
        pytest.param([DAY], pa.Column(checks=LATE), "less_than", 0, "crash", id="dates"),
        pytest.param(["1", None], pa.Column("int64", coerce=True, nullable=True), "dtype", 0, 1, id="coercion"),
    ],
)
def test_difference_between_the_back_ends__is_settled_as_pandas_has_it(
    values: list[Any], column: pa.Column, rule: str, polars: int | str, ours: int | str, tmp_path: Path
) -> None:
    """Where pandera's back ends differ, a pandas schema means what it means to pandas; the difference has a name."""
    pq.write_table(arrow.table({"c0": arrow.array(values, from_pandas=False)}), tmp_path / "t.parquet")
    frame, schema = pl.read_parquet(tmp_path / "t.parquet"), pa.DataFrameSchema({"c0": column})

    by_pandas = verdicts(by_pandera(pd.read_parquet(tmp_path / "t.parquet"), schema))
    found = verdicts(audited(open_table(tmp_path / "t.parquet").source(), schema_of(schema)).findings)

    assert by_polars(frame, schema)[rule, "c0"] == polars
    assert found.get((rule, "c0"), 0) == ours
    assert by_pandas.get((rule, "c0"), 0) == (1 if rule == "unique" and ours == 2 else ours)
    assert difference(rule, "c0", frame, schema, polars, set()) is not None


def test_order_and_patterns_of_names__are_those_of_pandas(tmp_path: Path) -> None:
    """pandas names every column out of order, and matches names from their start; Polars one, and whole names."""
    pq.write_table(arrow.table({"b": [1], "a1": [None]}), tmp_path / "t.parquet")
    frame = pl.read_parquet(tmp_path / "t.parquet")
    ordered = pa.DataFrameSchema({"a1": pa.Column(nullable=True), "b": pa.Column()}, ordered=True)
    pattern = pa.DataFrameSchema({"a": pa.Column(regex=True)})
    missing = verdict(frame, pp.DataFrameSchema({"a": pp.Column(regex=True, nullable=True)}))

    found = [
        verdicts(audited(open_table(tmp_path / "t.parquet").source(), schema_of(schema)).findings)
        for schema in (ordered, pattern)
    ]

    assert by_polars(frame, ordered)["ordered", ""] == 1 and found[0] == {("ordered", ""): 2}
    assert missing == 1 and found[1] == {("not-nullable", "a1"): 1}
