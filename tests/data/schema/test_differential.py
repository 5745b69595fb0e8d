"""The engine against pandera itself: generated schemas over generated dirty tables, in files as users have them."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, event, given, reject, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cd4ml.data.schema.audit import audited
from cd4ml.data.schema.engine.rules import Rules, from_pandera
from cd4ml.data.schema.engine.types import DTYPES
from cd4ml.data.schema.engine.yaml_rules import from_yaml
from cd4ml.data.schema.findings import Finding
from cd4ml.data.schema.load import Schema
from cd4ml.data.schema.validation import Rest, partial, validate
from cd4ml.data.tables.opening import open_table

# More of them than a commit waits for: CD4ML_CASES=5000.
CASES = int(os.environ.get("CD4ML_CASES", "250"))
# A run that is cut short looks like a case that fails once and never again.
pytestmark = pytest.mark.timeout(600 + CASES)
KINDS: dict[str, tuple[arrow.DataType, st.SearchStrategy[Any], list[str]]] = {
    "int64": (arrow.int64(), st.integers(-5, 5) | st.sampled_from([2**40, -(2**40)]), ["int64", "Int64", "float64"]),
    "int8": (arrow.int8(), st.integers(-5, 5), ["int8", "int64", "Int8"]),
    "uint16": (arrow.uint16(), st.integers(0, 9), ["uint16", "UInt16", "int64"]),
    "float64": (
        arrow.float64(),
        st.sampled_from([0.0, -0.0, 0.1, 0.3, 1.0, 2.5, -3.0, float("nan"), float("inf"), float("-inf")]),
        ["float64", "Float64", "float32"],
    ),
    "float32": (arrow.float32(), st.sampled_from([0.0, 0.1, 0.3, 1.0, float("nan")]), ["float32", "float64"]),
    "str": (
        arrow.string(),
        st.sampled_from(
            ["", "a", "b", "ab", "abc", "é", "a1", "7", "a\nb", "b\n", " a", "١", "x.y", "NA", "None", "nan"]
        ),
        ["str", "string", "object", "int64"],
    ),
    "words": (arrow.string(), st.sampled_from(["1", "7", "2.5", "NA", "nan", ""]), ["str", "float64"]),
    "category": (
        arrow.dictionary(arrow.int8(), arrow.string()),
        st.sampled_from(["", "a", "ab", "é", "7", "b\n"]),
        ["category", "str", "object"],
    ),
    "bool": (arrow.bool_(), st.booleans(), ["bool", "object", "boolean"]),
    "Int64": (arrow.int64(), st.integers(-5, 5), ["Int64", "int64", "Int8", "float64", "Float64"]),
    "UInt8": (arrow.uint8(), st.integers(0, 9), ["UInt8", "uint8", "Int64"]),
    "Float32": (arrow.float32(), st.sampled_from([0.0, 0.1, 1.0, float("nan")]), ["Float32", "float32", "Float64"]),
    "Float64": (
        arrow.float64(),
        st.sampled_from([0.0, 0.1, 2.5, -3.0, float("nan"), float("inf")]),
        ["Float64", "float64", "Int64"],
    ),
    "boolean": (arrow.bool_(), st.booleans(), ["boolean", "bool", "object"]),
    "string": (arrow.string(), st.sampled_from(["", "a", "ab", "é", "7", "b\n"]), ["string", "str", "object", "Int64"]),
    "int64[pyarrow]": (arrow.int64(), st.integers(-5, 5), ["int64[pyarrow]", "int64", "Int64"]),
    "time": (
        arrow.timestamp("us"),
        st.integers(0, 5).map(lambda day: datetime.datetime(2026, 1, 1) + datetime.timedelta(days=day)),
        ["datetime64[ns]", "datetime64[us]", "str"],
    ),
    "date": (arrow.date32(), st.just(datetime.date(2026, 1, 1)), ["datetime64[ns]", "object"]),
}
# Types that pandas must say itself: Arrow has none for them.
OWN = ("Int64", "UInt8", "Float32", "Float64", "boolean", "string", "int64[pyarrow]")
NUMBERS = st.integers(-4, 4) | st.sampled_from([0.1, 0.3, 0.5, 2.5, -3.0])
TEXTS = st.sampled_from(["", "a", "b", "ab", "é", "7"])
TIMES = st.integers(0, 5).map(lambda day: pd.Timestamp("2026-01-01") + pd.Timedelta(days=day))
PATTERNS = [
    "a",
    "^a",
    "[ab]+$",
    r"\d",
    r"\w+\d?$",
    "a|b",
    ".",
    "a.b",
    "(?:ab?c)",
    "^[^a]",
    r"x\.y",
    "a{1,2}",
    r"\bа",
    "(a)b",
]


def limits(kind: str) -> st.SearchStrategy[Any]:
    """Return values that a check of such a column may compare with."""
    texts, booleans = dict.fromkeys(("str", "string", "category"), TEXTS), dict.fromkeys(
        ("bool", "boolean"), st.booleans()
    )
    return {**texts, **booleans, "time": TIMES, "date": TIMES}.get(kind, NUMBERS)


@st.composite
def checks(draw: st.DrawFn, kind: str) -> pa.Check:
    """Draw one of pandera's checks, most of them fit for the kind of column."""
    value = limits(kind)
    name = draw(
        st.sampled_from(
            "equal_to not_equal_to greater_than greater_than_or_equal_to less_than less_than_or_equal_to in_range isin "
            "notin".split()
            + ["str_matches", "str_contains", "str_startswith", "str_endswith", "str_length"]
            * (kind in ("str", "string", "category"))
            + ["custom", "element", "aware", "unique_values_eq"]
        )
    )
    if kind in ("bool", "boolean") and name not in ("isin", "notin", "equal_to"):
        name = "isin"
    if name == "in_range":
        low, high = sorted([draw(value), draw(value)])
        return pa.Check.in_range(low, high, include_min=draw(st.booleans()) or low == high, include_max=True)
    if name in ("isin", "notin", "unique_values_eq"):
        return getattr(pa.Check, name)(draw(st.lists(value, min_size=1, max_size=4)))
    if name in ("str_matches", "str_contains"):
        return getattr(pa.Check, name)(draw(st.sampled_from(PATTERNS)))
    if name in ("str_startswith", "str_endswith"):
        return getattr(pa.Check, name)(draw(TEXTS))
    if name == "str_length":
        return pa.Check.str_length(draw(st.integers(0, 2)), draw(st.none() | st.integers(2, 3)))
    if name == "custom":
        return pa.Check(lambda column: column == column.min(), name="custom")
    if name == "element":
        return pa.Check(lambda item: bool(item == item), element_wise=True)
    if name == "aware":
        return pa.Check.equal_to(draw(value), ignore_na=False)
    return getattr(pa.Check, name)(draw(value))


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[Any], str, pa.Column]:
    """Draw the values of a column, its kind, and what a schema says of it."""
    kind = draw(st.sampled_from([*sorted(KINDS), "str", "str"]))
    _, values, dtypes = KINDS[kind]
    gaps = draw(st.booleans())
    cells = values | st.none() if gaps else values
    column = pa.Column(
        draw(st.none() | st.sampled_from(dtypes)),
        checks=draw(st.lists(checks(kind), max_size=3)),
        nullable=draw(st.booleans()),
        unique=draw(st.integers(0, 3)) == 0,
        coerce=draw(st.integers(0, 4)) == 0,
        required=draw(st.booleans()),
        report_duplicates=draw(st.sampled_from(["all", "exclude_first", "exclude_last"])),
    )
    rows = 12
    return draw(st.lists(cells, min_size=rows, max_size=rows)), kind, column


def metadata(kinds: Mapping[str, str]) -> dict[bytes, bytes] | None:
    """Return what pandas writes about columns of types of its own."""
    frame = pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items() if kind in OWN})
    return arrow.Table.from_pandas(frame, preserve_index=False).schema.metadata if len(frame.columns) else None


@st.composite
def cases(draw: st.DrawFn) -> tuple[arrow.Table, pa.DataFrameSchema, dict[str, Any]]:
    """Draw a table, a schema, and how the table is stored."""
    drawn = draw(st.lists(columns(), min_size=1, max_size=3))
    rows = draw(st.sampled_from([0, 1, 5, 12]))
    table = arrow.table(
        {
            f"c{i}": arrow.array(cells[:rows], KINDS[kind][0], from_pandas=False)
            for i, (cells, kind, _) in enumerate(drawn)
        }
    )
    table = table.replace_schema_metadata(metadata({f"c{i}": kind for i, (_, kind, _) in enumerate(drawn)}))
    named = {f"c{i}": column for i, (_, _, column) in enumerate(drawn)}
    if draw(st.integers(0, 4)) == 0:
        named["absent"] = pa.Column(int, required=draw(st.booleans()))
    if draw(st.integers(0, 4)) == 0:
        named = {
            "c.*": pa.Column(nullable=draw(st.booleans()), regex=True, checks=[pa.Check(lambda s: s == s, name="x")])
        }
    if draw(st.booleans()):
        named = dict(reversed(named.items()))
    if draw(st.integers(0, 3)) == 0:
        table = table.append_column("other", arrow.array([1] * rows, arrow.int64()))
    together = [name for name in table.column_names if name != "other"]
    # The same demand twice, of the column and of the table, has one name in the report.
    twice = len(together) == 1 and any(column.unique for column in named.values())
    schema = pa.DataFrameSchema(
        named,
        strict=draw(st.sampled_from([False, True])),
        ordered=draw(st.booleans()),
        unique=None if twice else draw(st.none() | st.just(together)),
        report_duplicates=draw(st.sampled_from(["all", "exclude_first", "exclude_last"])),
    )
    stored = {
        "row_group_size": draw(st.sampled_from([2, 100])),
        "use_dictionary": draw(st.booleans()),
        "write_statistics": draw(st.booleans()),
    }
    return table, schema, stored


def schema_of(schema: pa.DataFrameSchema) -> Schema:
    """Return a schema as the stage loads it."""
    return Schema(rules=from_pandera(schema), source="generated", _load=lambda: schema)


def by_pandera(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> dict[tuple[str, str], Finding]:
    """Return what pandera finds in the whole table."""
    loaded = schema_of(schema)
    names = [str(name) for name in frame.columns]
    whole = [name for name, _ in loaded.targets(names)]
    part, labels = partial(loaded, Rest(whole=whole, left={"": []}), names)
    about_table = {("strict", ""), ("ordered", ""), ("unique", ", ".join(schema.unique or ()))}
    of_table = validate(frame, schema, {name: labels.get(name, []) for name in ["", *map(str, schema.columns)]})
    shape = {key: finding for key, finding in of_table.items() if key in about_table or key[0] == "present"}
    return {**shape, **validate(frame, part, labels)}


def verdicts(found: Mapping[tuple[str, str], Finding]) -> dict[tuple[str, str], int | str]:
    """Return what two engines must agree on: which rule of which column is broken, in how many rows."""
    return {
        key: "crash" if finding.crash else len(finding.columns) if finding.columns else finding.failing
        for key, finding in found.items()
    }


def plain(table: arrow.Table) -> arrow.Table:
    """Return a table with texts instead of categories, which CSV does not know."""
    kinds = [arrow.string() if arrow.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(arrow.schema(list(zip(table.column_names, kinds, strict=True))))


# What pandas takes for a missing value besides the empty text.
WORDS = "#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null".split(",")


def as_read(path: Path) -> pd.DataFrame:
    """Return a CSV file as pandas reads it, but for words for missing values in columns of texts, which are texts."""
    texts = pd.read_csv(path, dtype=str, keep_default_na=False)
    words: dict[str, Sequence[str]] = {
        str(name): ["", *(WORDS if numeric({*texts[name]} - {"", *WORDS}) else [])] for name in texts
    }
    return pd.read_csv(path, keep_default_na=False, na_values=words)


def numeric(cells: set[str]) -> bool:
    """Whether there are cells, and all of them are numbers or all of them are booleans."""
    numbers = pd.to_numeric(pd.Series(sorted(cells), dtype=object), errors="coerce")
    return bool(cells) and (bool(numbers.notna().all()) or cells <= {"True", "False", "true", "false", "TRUE", "FALSE"})


KEEP: dict[str, Any] = {"all": False, "exclude_first": "first", "exclude_last": "last"}


def told_apart(
    expected: dict[tuple[str, str], int | str],
    found: dict[tuple[str, str], int | str],
    findings: Mapping[tuple[str, str], Finding],
    frame: pd.DataFrame,
    schema: pa.DataFrameSchema,
) -> None:
    """Settle what pandera and the engine count in different units, where both say that the rule is broken."""
    for rule, column in list(expected):
        demanded = [part.dtype for name, part in schema_of(schema).targets(list(frame.columns)) if name == column]
        if rule == "dtype" and demanded == ["object"] and isinstance(frame[column].dtype, pd.StringDtype):
            del expected[rule, column]  # before pandas 3 the name of texts
    for key in expected.keys() & found.keys():
        rule, column = key
        if rule == "unique":  # pandera leaves missing values out of its list, though they decided; pandas counts them
            of_table = column == ", ".join(schema.unique or ())
            keep = schema.report_duplicates if of_table else schema_of(schema).targets([column])[0][1].keep
            if not findings[key].samples:  # decided by pandera in both, and without its list there is no number of rows
                expected[key] = found[key] = "broken"
                continue
            exact = int(frame[column.split(", ")].duplicated(keep=KEEP[keep]).sum())
            expected[key] = expected[key] if found[key] == expected[key] else exact
        # A check over values of a type that it is not for: pandera crashes, or calls the whole column broken.
        elif rule in ("dtype", "ordered", "present") or ("dtype", column) in expected:
            expected[key] = found[key] = "broken"


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_engine__agrees_with_pandera(kind: str, case: tuple[arrow.Table, pa.DataFrameSchema, dict[str, Any]]) -> None:
    """The same rules of the same columns are broken, in the same number of rows, whatever decided them."""
    table, schema, stored = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{kind}"
        if kind == "parquet":
            pq.write_table(table, path, **stored)
            frame = pq.read_table(path).to_pandas()
        else:
            arrow_csv.write_csv(plain(table), path)
            frame = as_read(path)
            if frame.empty:  # pandas calls every column of an empty CSV an object; no gate takes such a table
                reject()
        expected = verdicts(by_pandera(frame, schema))
        result = audited(open_table(path).source(), schema_of(schema))
        found = verdicts(result.findings)
    told_apart(expected, found, result.findings, frame, schema)
    for how in sorted({how for decided in result.proofs.values() for how in decided.values()}):
        event(how)
    assert found == expected


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_yaml_without_pandera__says_the_same(case: tuple[arrow.Table, pa.DataFrameSchema, dict[str, Any]]) -> None:
    """Rules read straight from pandera's YAML equal those of the schema that pandera loads from it."""
    _, schema, _ = case
    for column in schema.columns.values():
        column.checks = [check for check in column.checks if check.name not in ("custom", "<lambda>", "x")]
    try:
        text = schema.to_yaml()
    except Exception as error:  # pandera does not write times in columns without a type
        assert "RepresenterError" in type(error).__name__
        reject()
    written = YAML(typ="safe", pure=True).load(text)

    rules = from_yaml(written, DTYPES)

    event("read" if rules else "left to pandera")
    if rules is not None:
        assert comparable(rules) == comparable(from_pandera(pa.DataFrameSchema.from_yaml(text)))


def comparable(rules: Rules) -> Any:
    """Return rules without the words, which pandera writes with quotes of its own."""
    parts = [
        (part.name, part.regex, part.required, part.dtype, part.coerce, part.nullable, part.unique, part.keep)
        + tuple((test.name, test.kind, sorted(test.settings.items())) for test in part.tests)
        for part in rules.columns
    ]
    return parts, rules.strict, rules.ordered, rules.unique, rules.keep
