"""Rules about the index: held against what pandas wrote into the file, and never against row numbers of a reader."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import polars as pl
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from cd4ml.data.schema.audit import audited
from cd4ml.data.schema.engine.rules import from_pandera
from cd4ml.data.schema.load import Schema
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from tests.conftest import Run
from tests.data.schema.test_differential import CASES

Validate = Callable[..., Run]
COLUMN = {"amount": pa.Column(float, pa.Check.ge(0))}
NUMBER = itertools.count()


@pytest.fixture
def validate(cd4ml: Callable[..., Run], tmp_path: Path) -> Validate:
    """Write a table (CSV if it has no index to keep) and a schema's index in Python, and validate."""

    def run(table: pd.DataFrame, schema: str, *arguments: str, name: str = "t.parquet") -> Run:
        if name.endswith(".csv"):
            table.to_csv(tmp_path / name, index=False)
        elif name.endswith(".feather"):
            import pyarrow.feather as feather

            feather.write_feather(arrow.Table.from_pandas(table), str(tmp_path / name))
        else:
            table.to_parquet(tmp_path / name)
        module = f"index_schema_{next(NUMBER)}"
        (tmp_path / f"{module}.py").write_text(f"import pandera.pandas as pa\n\nS = pa.DataFrameSchema({schema})\n")
        return cd4ml("validate-data", "--data", name, "--schema", f"{module}:S", *arguments)

    return run


def broken(run: Run) -> dict[str, int]:
    """Return the number of rows that break each check that failed."""
    return {item["id"]: item.get("value") for item in run.report["checks"] if item["status"] != "passed"}


def loans(keys: list[Any], name: str | None = "loan") -> pd.DataFrame:
    """Return a table with an index."""
    return pd.DataFrame({"amount": [10.0 * row for row in range(len(keys))]}, index=pd.Index(keys, name=name))


NAMED = "{'amount': pa.Column(float)}, index=pa.Index(int, pa.Check.ge(100), name='loan', unique=True)"
NAMELESS = "{'amount': pa.Column(float)}, index=pa.Index(int, pa.Check.lt(40)), strict=True"


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
def test_named_index__is_what_the_rules_are_about(validate: Validate, name: str) -> None:
    """A good index passes, a bad one fails by its own values and at its own rows."""
    good = validate(loans([100, 101, 102]), NAMED, name=name)
    bad = validate(loans([100, 99, 100]), NAMED, "--include-values", "true", name=name)

    assert good.code == 0, good.report["summary"]
    assert bad.code == 1
    assert broken(bad) == {"greater_than_or_equal_to:(index)": 1, "unique:(index)": 2}
    said = {check["id"]: check["message"] for check in bad.report["checks"]}
    assert said["greater_than_or_equal_to:(index)"] == (
        "The index `loan` breaks greater_than_or_equal_to(100) in 1 of 3 rows, e.g. row 1: 99."
    )


def test_index__is_no_column_that_strict_refuses(validate: Validate) -> None:
    """With rules about the index, `strict` does not call it a column; a column beside it is still one."""
    strict = NAMED + ", strict=True"

    assert validate(loans([100, 101]), strict).code == 0
    assert broken(validate(loans([100, 101]).assign(other=1), strict)) == {"strict": 1}


def test_range_that_pandas_wrote__is_the_index(validate: Validate) -> None:
    """Start, stop and step of a range are restored: rows are not numbered from 0 where pandas did not."""
    table = pd.DataFrame({"amount": [1.0, 2.0, 3.0]}, index=pd.RangeIndex(10, 70, 20))

    assert broken(validate(table, NAMELESS)) == {"less_than:(index)": 1}
    assert validate(table.set_axis(pd.RangeIndex(3)), NAMELESS).code == 0


def test_index_without_a_name__is_the_stored_one(validate: Validate) -> None:
    """The numbers that a filtered table kept are its index, and no rows are counted in their place."""
    table = pd.DataFrame({"amount": [float(row) for row in range(60)]})

    assert broken(validate(table.iloc[[0, 39, 59]], NAMELESS)) == {"less_than:(index)": 1}
    assert validate(table.iloc[[39, 0, 5]], NAMELESS).code == 0


@pytest.mark.parametrize(
    ("table", "name", "schema", "words"),
    [
        (loans([100, 101]).reset_index(), "t.csv", NAMED, "does not hold an index"),
        (loans([100, 101]).reset_index(), "t.csv", NAMELESS, "does not hold an index"),
        (loans([100, 101], "client"), "t.parquet", NAMED, "its index is `client`"),
        (loans([100, 101]).reset_index(), "t.parquet", NAMED, "its index is one without a name"),
    ],
    ids=["CSV, named", "CSV, without a name", "another name", "a column instead"],
)
def test_index_that_the_table_does_not_have__refused(
    validate: Validate, table: pd.DataFrame, name: str, schema: str, words: str
) -> None:
    """Where the file does not hold the index, the schema is refused, with what to do."""
    run = validate(table, schema, name=name)

    assert run.code == 2 and words in run.report["summary"]
    assert "among the schema's columns" in str(run.report["checks"])


def test_index_of_a_file_that_pandas_did_not_write__refused(
    validate: Validate, cd4ml: Callable[..., Run], tmp_path: Path
) -> None:
    """Parquet of other writers, and a folder whose files each number their own rows, hold no index."""
    assert validate(loans([1, 2], None), NAMELESS).code == 0  # leaves the schema
    schema = f"{max(tmp_path.glob('index_schema_*.py')).stem}:S"
    pl.DataFrame({"amount": [1.0, 2.0]}).write_parquet(tmp_path / "polars.parquet")
    (tmp_path / "parts").mkdir()
    for part in ("a", "b"):
        pd.DataFrame({"amount": [1.0, 2.0]}).to_parquet(tmp_path / "parts" / f"{part}.parquet")

    runs = [cd4ml("validate-data", "--data", name, "--schema", schema) for name in ("polars.parquet", "parts")]

    assert [run.code for run in runs] == [2, 2]


LEVELS = "[pa.Index(str, pa.Check.isin(['no', 'se']), name='country'), pa.Index(int, pa.Check.ge(0), name='year')]"


def years(rows: list[tuple[Any, ...]], names: list[str]) -> pd.DataFrame:
    """Return a table with an index of several levels."""
    return pd.DataFrame({"amount": 1.0}, index=pd.MultiIndex.from_tuples(rows, names=names))


def test_levels_of_an_index__are_judged_each(validate: Validate) -> None:
    """Each level has checks of its own, and rows that repeat another one in all levels are counted."""
    schema = f"{{'amount': pa.Column(float)}}, index=pa.MultiIndex({LEVELS}, unique=['country', 'year']), strict=True"
    names = ["country", "year"]

    assert validate(years([("no", 1), ("se", 1), ("no", 2)], names), schema).code == 0
    bad = validate(years([("no", 1), ("dk", -1), ("no", 1)], names), schema)
    assert broken(bad) == {
        "isin:(index country)": 1,
        "greater_than_or_equal_to:(index year)": 1,
        "unique:(index)": 1,
    }


@pytest.mark.parametrize(
    ("names", "settings", "code"),
    [
        (["year", "country"], "", 2),
        (["year", "country"], ", ordered=False", 0),
        (["country", "month", "year"], "", 0),
        (["country", "month", "year"], ", strict=True", 2),
        (["country", "month"], "", 2),
    ],
    ids=["another order", "any order", "another level", "strict", "missing"],
)
def test_order_and_names_of_levels__are_those_of_the_schema(
    validate: Validate, names: list[str], settings: str, code: int
) -> None:
    """Levels are found by name; another order, another level under `strict`, and a missing one are refused."""
    row = {"country": "no", "year": 7, "month": 3}
    table = years([tuple(row[name] for name in names)] * 2, names)

    assert validate(table, f"{{'amount': pa.Column(float)}}, index=pa.MultiIndex({LEVELS}{settings})").code == code


def test_coerced_index__says_what_coercion_changes(validate: Validate) -> None:
    """An index that is coerced to whole numbers is judged as such, and the fractions that are lost are counted."""
    schema = "{'amount': pa.Column(float)}, index=pa.Index(int, pa.Check.ge(1), coerce=True)"

    assert validate(loans([1.0, 2.0]), schema).code == 0
    assert broken(validate(loans([1.5, 2.0, 0.5]), schema)) == {
        "lossless:(index)": 2,
        "greater_than_or_equal_to:(index)": 1,
    }


def test_checks_of_the_callers_own__see_the_index(validate: Validate) -> None:
    """A check of a column or of the table that looks at the index sees that of the file, and reports its rows."""
    column = "{'amount': pa.Column(float, pa.Check(lambda s: s.index.to_series() > 100, name='late'))}"
    table = "{'amount': pa.Column(float)}, checks=pa.Check(lambda t: t.index.is_monotonic_increasing, name='sorted')"

    late = validate(loans([100, 101, 99]), column)

    assert broken(late) == {"late:amount": 2}
    assert late.report["details"]["t.parquet"]["samples"]["late:amount"] == [{"row": 0}, {"row": 2}]
    assert validate(loans([101, 102]), column).code == 0
    assert broken(validate(loans([3, 1]), table)) == {"sorted": 1}
    assert validate(loans([1, 3]), table).code == 0


def test_repeated_labels__count_rows(validate: Validate) -> None:
    """Rows that share a label of the index are counted one by one."""
    schema = "{'amount': pa.Column(float, pa.Check(lambda s: s < 10, name='small'))}, index=pa.Index(int)"

    assert broken(validate(loans([7, 7, 7]), schema)) == {"small:amount": 2}


def test_lost_checks_of_the_index__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A check of the index that pandera passes over is named; so is one that it does not know."""
    loans([1, 2]).to_parquet(tmp_path / "t.parquet")
    for check in ("greater_thann: 0", "checks: {greater_thann: 0}"):
        (tmp_path / "schema.yaml").write_text(
            f"columns:\n  amount: {{dtype: float64}}\nindex:\n- {{dtype: int64, name: loan, {check}}}\n"
        )

        run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

        assert run.code == 2 and "greater_thann" in run.report["summary"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{'amount': pa.Column(float, parsers=pa.Parser(lambda s: s.abs()))}", "parsers"),
        ("{'amount': pa.Column(float)}, parsers=pa.Parser(lambda t: t.abs())", "parsers"),
        ("{'amount': pa.Column(float)}, index=pa.Index(int, drop_invalid_rows=True)", "drop_invalid_rows"),
        ("{'amount': pa.Column(float)}, index=pa.MultiIndex([pa.Index(int, name='loan'), pa.Index(int)])", "have none"),
        (
            "{'amount': pa.Column(float)}, index=pa.MultiIndex([pa.Index(int, name='loan')], unique=['lone'])",
            "lone be unique",
        ),
    ],
)
def test_what_would_be_held_against_something_else__refused(validate: Validate, schema: str, words: str) -> None:
    """Parsers, dropped rows and levels that nobody can find are refused by name."""
    run = validate(loans([1, 2]), schema)

    assert run.code == 2 and words in run.report["summary"]


def test_groups__are_those_of_the_column_that_is_named(validate: Validate) -> None:
    """A check by groups sees the column that it groups by, though no other rule needs it."""
    schema = (
        "{'amount': pa.Column(float, pa.Check(lambda g: g['a'].max() < g['b'].min(), groupby='kind', name='apart')), "
        "'kind': pa.Column(str)}"
    )
    table = loans([1, 2, 3])

    assert validate(table.assign(kind=["a", "a", "b"]), schema).code == 0
    assert broken(validate(table.assign(kind=["b", "a", "b"]), schema)) == {"apart:amount": 1}


def test_checks_of_the_whole_table__see_coerced_columns(validate: Validate) -> None:
    """A check of the table sees every column in the type that the schema coerces it to."""
    schema = (
        "{'amount': pa.Column(float, coerce=True)}, "
        "checks=pa.Check(lambda t: t['amount'].dtype == 'float64', name='floats')"
    )

    assert validate(pd.DataFrame({"amount": [1, 2]}), schema).code == 0


KINDS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-3, 3),
    "float64": st.sampled_from([0.0, 0.5, -1.0, float("nan")]),
    "str": st.sampled_from(["a", "b", "ab"]),
    "bool": st.booleans(),
}


@st.composite
def indexes(draw: st.DrawFn) -> tuple[pd.DataFrame, list[tuple[str, dict[str, Any]]], list[str | None]]:
    """Draw a table with an index of one or two levels, and what a schema may say of each of them."""
    depth = draw(st.integers(1, 2))
    named: list[list[str | None]] = [["k", "m"], [None, None]]
    names = draw(st.sampled_from(named))[:depth]
    kinds = [draw(st.sampled_from(sorted(KINDS))) for _ in range(depth)]
    levels = [pd.Series(draw(st.lists(KINDS[kind], min_size=4, max_size=4)), dtype=kind) for kind in kinds]
    index = pd.Index(levels[0], name=names[0]) if depth == 1 else pd.MultiIndex.from_arrays(levels, names=names)
    demands = []
    for kind in kinds:
        value = draw(KINDS[kind].filter(lambda item: item == item))
        check = draw(st.sampled_from(["greater_than", "isin", "notin"] if kind in ("int64", "float64") else ["isin"]))
        rules: list[dict[str, Any]] = [
            {"dtype": draw(st.sampled_from([kind, "int64"]))},
            {"nullable": False},
            {"checks": getattr(pa.Check, check)(value if check == "greater_than" else [value])},
        ]
        demands += [(kind, draw(st.sampled_from(rules)))]
    return pd.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0]}, index=index), demands, names


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=indexes())
def test_index__agrees_with_pandera(case: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The verdict on an index of a file is that of pandera on what pandas.read_parquet gives."""
    frame, demands, names = case
    path = tmp_path_factory.mktemp("index") / "t.parquet"
    frame.to_parquet(path)
    levels = [pa.Index(**{"nullable": True, **rule}, name=name) for (_, rule), name in zip(demands, names, strict=True)]
    index = levels[0] if len(levels) == 1 else pa.MultiIndex(levels)
    schema = pa.DataFrameSchema(COLUMN, index=index)
    try:
        schema.validate(pd.read_parquet(path), lazy=True)
        expected = True
    except pa.errors.SchemaErrors:
        expected = False

    found = audited(
        open_table(path).source(), Schema(rules=from_pandera(schema), source="generated", _load=lambda: schema)
    ).findings

    event(f"holds: {expected}")
    assert (found == {}) is expected, found


def test_index_that_was_lost__is_not_guessed(tmp_path: Path) -> None:
    """A range in the metadata that does not fit the rows is no index."""
    frame = pd.DataFrame({"amount": [1.0, 2.0]})
    table = arrow.Table.from_pandas(frame)
    pq.write_table(table.slice(0, 1), tmp_path / "t.parquet")
    schema = pa.DataFrameSchema(COLUMN, index=pa.Index(int))

    with pytest.raises(OptionsError, match="does not hold an index"):
        audited(
            open_table(tmp_path / "t.parquet").source(),
            Schema(rules=from_pandera(schema), source="s", _load=lambda: schema),
        )


def noted(path: Path, **types: str) -> None:
    """Change the types that pandas noted of columns of a file."""
    table = pq.read_table(path)
    found = json.loads(table.schema.metadata[b"pandas"])
    for column in found["columns"]:
        column["numpy_type"] = types.get(column["name"], column["numpy_type"])
    pq.write_table(table.replace_schema_metadata({b"pandas": json.dumps(found)}), path)


def test_type_of_another_library__is_left_to_arrow(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A type that pandas itself does not know, in a column or in the index, keeps neither from being read."""
    loans([100, 99]).assign(place=["a", "b"]).to_parquet(tmp_path / "t.parquet")
    noted(tmp_path / "t.parquet", place="geometry", loan="identifier[int]")
    (tmp_path / "schema.yaml").write_text(
        "columns:\n  place: {dtype: str, checks: {isin: [a, b]}}\nindex:\n- {dtype: int64, name: loan, checks: "
        "{greater_than: 99}}\n"
    )

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    assert run.code == 1 and broken(run) == {"greater_than:(index)": 1}
    assert open_table(tmp_path / "t.parquet").frame()["loan"].tolist() == [100, 99]


def test_note_that_is_not_true_of_its_column__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Texts that the metadata call whole numbers end in one sentence."""
    loans([100, 99]).assign(place=["a", "b"]).to_parquet(tmp_path / "t.parquet")
    noted(tmp_path / "t.parquet", place="Int64")
    (tmp_path / "schema.yaml").write_text("columns:\n  place: {dtype: Int64}\n")

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    assert run.code == 2 and "contradict its columns" in run.report["summary"]
