"""validate-data: what pandera, pandas and Arrow let through in silence, each with the case that must still pass."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run, run_cd4ml

Validate = Callable[..., Run]
HEAD = "import sys\n\nimport pandera.pandas as pa\n\n"


@pytest.fixture
def validate(cd4ml: Callable[..., Run], tmp_path: Path, request: pytest.FixtureRequest) -> Validate:
    """Write table and schema (YAML, or Python that defines `S`), and validate."""
    written = [0]

    def run(table: pd.DataFrame | str | bytes, schema: str, *arguments: str) -> Run:
        name = "data.parquet" if isinstance(table, pd.DataFrame) else "data.csv"
        if isinstance(table, pd.DataFrame):
            table.to_parquet(tmp_path / name)
        else:
            (tmp_path / name).write_bytes(table.encode() if isinstance(table, str) else table)
        source = "schema.yaml"
        if "columns:" in schema:
            (tmp_path / source).write_text(schema)
        else:  # modules stay imported, so each needs a name of its own
            written[0] += 1
            module = f"module_{abs(hash(request.node.name))}_{written[0]}"
            (tmp_path / f"{module}.py").write_text(HEAD + schema)
            source = f"{module}:S"
        return cd4ml("validate-data", "--data", name, "--schema", source, *arguments)

    return run


def statuses(run: Run) -> dict[str, str]:
    """Return the status of every check by its id."""
    return {item["id"]: item["status"] for item in run.report["checks"]}


def failed(run: Run) -> set[str]:
    """Return the ids of checks that did not pass."""
    return {check_id for check_id, status in statuses(run).items() if status != "passed"}


FLOAT = "{dtype: float64, checks: {greater_than_or_equal_to: 0}}"
COERCED = "{dtype: float64, coerce: true, checks: {greater_than_or_equal_to: 0}}"


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        ([1.0, np.inf], f"columns:\n  a: {FLOAT}\n"),
        ([1.0, np.inf], "columns:\n  a.*: {dtype: float64, regex: true, checks: {greater_than_or_equal_to: 0}}\n"),
        (["1.0", "inf"], f"columns:\n  a: {COERCED}\n"),
        (["1.0", "inf"], "coerce: true\n" + f"columns:\n  a: {FLOAT}\n"),
        ([1.0, 1e300], f"columns:\n  a: {COERCED.replace('float64', 'float32')}\n"),
        ([1.0, np.inf], "dtype: float64\ncolumns:\n  a: {checks: {greater_than_or_equal_to: 0}}\n"),
    ],
    ids=["plain", "pattern", "text that becomes one", "coerced by the table", "too large for 32 bits", "table's type"],
)
def test_infinity__blocks_however_it_comes(validate: Validate, values: list[Any], schema: str) -> None:
    """An infinity is found in columns named by a pattern, and where only coercion makes it one."""
    assert failed(validate(pd.DataFrame({"a": values}), schema)) == {"finite:a"}
    assert validate(pd.DataFrame({"a": [values[0], values[0]]}), schema).code == 0


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1.5, 2.0], "int64"), ([2**53 + 1, 1], "float64"), ([5, 1], "bool")],
    ids=["fraction cut", "beyond 2**53", "any number is true"],
)
def test_coercion_that_changes_values__blocks(validate: Validate, values: list[Any], dtype: str) -> None:
    """A value that the schema's type cannot hold fails, though after coercion the type is right."""
    schema = f"columns:\n  a: {{dtype: {dtype}, coerce: true}}\n"

    run = validate(pd.DataFrame({"a": values}), schema)

    assert (run.code, failed(run)) == (1, {"lossless:a"})
    assert next(item for item in run.report["checks"] if item["id"] == "lossless:a")["value"] == 1
    assert validate(pd.DataFrame({"a": [values[1], values[1]]}), schema).code == 0


@pytest.mark.parametrize("table", [pd.DataFrame({"a": [True, None]}), "a,b\nTrue,1\n,2\n"], ids=["Parquet", "CSV"])
def test_gap_coerced_to_a_boolean__blocks(validate: Validate, table: pd.DataFrame | str) -> None:
    """A missing value does not become true or false (which of them depends on the kind of file)."""
    assert "lossless:a" in failed(validate(table, "columns:\n  a: {dtype: bool, coerce: true}\n"))


@pytest.mark.parametrize(
    ("values", "dtype", "changed"),
    [
        ([True, None, False], "boolean", {}),
        ([1, None, 3], "Int64", {"lossless:a": 0}),
        ([1.0, None, 3.5], "Int64", {"dtype:a": 3}),
        ([1.0, None, 3.0], "Float32", {}),
        (["x", None, "y"], "string", {}),
    ],
    ids=["booleans", "whole numbers", "fractions", "numbers", "texts"],
)
def test_gap_that_a_nullable_type_keeps__is_not_counted_as_changed(
    validate: Validate, values: list[Any], dtype: str, changed: dict[str, int]
) -> None:
    """Gaps that coercion leaves gaps are no values that it changes."""
    table = pd.DataFrame({"a": pd.Series(values, dtype=object if True in values else None)})

    run = validate(table, f"columns:\n  a: {{dtype: {dtype}, coerce: true, nullable: true}}\n")

    lossless = {item["id"]: item["value"] for item in run.report["checks"] if item["id"] == "lossless:a"}
    broken = {item["id"]: item["value"] for item in run.report["checks"] if item["status"] != "passed"}
    assert lossless | broken == changed


def test_optional_columns_all_absent__blocks(validate: Validate) -> None:
    """A schema whose columns are all optional says nothing about a table that has none of them."""
    schema = "columns:\n  a: {dtype: int64, required: false, checks: {greater_than: 0}}\n"

    run = validate(pd.DataFrame({"b": [1, 2]}), schema)

    assert (run.code, failed(run)) == (1, {"columns"})
    assert validate(pd.DataFrame({"a": [1, 2]}), schema).code == 0


def test_rules_of_an_absent_column__are_not_listed_as_passed(validate: Validate) -> None:
    """What could not be looked at is not said to hold."""
    run = validate(pd.DataFrame({"b": [1, 2]}), f"columns:\n  a: {FLOAT}\n  b: {{dtype: int64}}\n")

    assert statuses(run) == {
        "minimum-rows": "passed",
        "present:a": "failed",
        "present:b": "passed",
        "dtype:b": "passed",
        "not-nullable:b": "passed",
    }


def test_missing_things__are_not_filled_in(validate: Validate) -> None:
    """The table is judged as it is: a default takes the place of neither a missing value nor a missing column."""
    schema = "add_missing_columns: true\ncolumns:\n  a: {dtype: float64, default: 1.0}\n  b: {dtype: int64}\n"

    assert failed(validate(pd.DataFrame({"a": [1.0, None], "b": 1}), schema)) == {"not-nullable:a"}
    assert failed(validate(pd.DataFrame({"b": [1, 2]}), schema)) == {"present:a"}
    assert validate(pd.DataFrame({"a": [1.0, 2.0], "b": 1}), schema).code == 0


def test_strict_filter__is_not_listed_as_strict(validate: Validate) -> None:
    """`strict: filter` lets other columns pass, and the report claims nothing else."""
    schema = "strict: filter\ncolumns:\n  a: {dtype: int64}\n"

    run = validate(pd.DataFrame({"a": [1, 2], "b": 3}), schema)

    assert run.code == 0 and "strict" not in statuses(run)


@pytest.mark.parametrize(
    "check",
    [
        "pa.Check(lambda x: None, element_wise=True)",
        "pa.Check(lambda s: s.astype(str))",
        "pa.Check(lambda s: s - 1)",
        "pa.Check(lambda s: s.mean())",
        "pa.Check(lambda s: None)",
        "pa.Check(lambda s: sys.exit(0))",
        "pa.Check(lambda s: 1 / 0)",
        "pa.Check(lambda s: (s > 0).astype(object).where(s > 1))",
    ],
)
def test_check_that_does_not_answer__error(validate: Validate, check: str) -> None:
    """A check that raises, exits, or answers in anything but booleans is an error: pandera takes most of it for yes."""
    run = validate(pd.DataFrame({"a": [1, 2]}), f"S = pa.DataFrameSchema({{'a': pa.Column(int, {check})}})\n")

    assert (run.code, statuses(run)["lambda:a"]) == (2, "error")


def test_check_with_the_name_of_one_of_panderas__is_the_callers(validate: Validate) -> None:
    """pandera would run its own `is_monotonic` in the place of the caller's; the gate runs what was written."""
    schema = (
        "def is_monotonic(values):\n    return bool(values.is_monotonic_decreasing)\n\n\n"
        "S = pa.DataFrameSchema({'a': pa.Column(int, pa.Check(is_monotonic))})\n"
    )

    assert failed(validate(pd.DataFrame({"a": [1, 2]}), schema)) == {"is_monotonic:a"}
    assert validate(pd.DataFrame({"a": [2, 1]}), schema).code == 0


def test_two_checks_of_one_name__are_told_apart(validate: Validate) -> None:
    """The one that fails is the one that is reported as failed."""
    schema = "S = pa.DataFrameSchema({'a': pa.Column(int, [pa.Check.ge(0), pa.Check.ge(2), pa.Check.ge(1)])})\n"

    assert failed(validate(pd.DataFrame({"a": [1, 2]}), schema)) == {"greater_than_or_equal_to#2:a"}


def test_limited_failure_cases__are_counted_whole(validate: Validate) -> None:
    """A check that shows one failure case still reports how many rows fail."""
    schema = "S = pa.DataFrameSchema({'a': pa.Column(int, pa.Check.ge(10, n_failure_cases=1))})\n"

    run = validate(pd.DataFrame({"a": range(30)}), schema)

    assert next(item["value"] for item in run.report["checks"] if item["status"] == "failed") == 10


@pytest.mark.parametrize("line", ["sys.exit(0)", "1 / 0", "def ("])
def test_schema_module_that_does_not_load__refused(tmp_path: Path, line: str) -> None:
    """A schema module that exits or raises ends the run with exit code 2, and never with that of success."""
    (tmp_path / "broken.py").write_text(HEAD + line + "\n")
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "data.parquet")

    run = run_cd4ml(tmp_path, "validate-data", "--data", "data.parquet", "--schema", "broken:S")

    assert (run.code, run.report["status"]) == (2, "error")
    assert "broken.py" in run.report["summary"]
    assert not (tmp_path / "__pycache__").exists()


def test_schema_module_that_ends_the_process__no_success(tmp_path: Path) -> None:
    """A schema module that ends the process on the spot cannot choose exit code 0; the report still says error."""
    (tmp_path / "broken.py").write_text(HEAD + "import os\nos._exit(0)\n")
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "data.parquet")

    run = run_cd4ml(tmp_path, "validate-data", "--data", "data.parquet", "--schema", "broken:S")

    assert (run.code, run.report["status"]) == (2, "error")


def test_prints_of_the_schema__go_nowhere(validate: Validate, capfd: pytest.CaptureFixture[str]) -> None:
    """What a schema prints cannot become a workflow command or spoil the JSON on standard output."""
    schema = "print('::set-output name=passed::true')\nS = pa.DataFrameSchema({'a': pa.Column(int)})\n"

    assert validate(pd.DataFrame({"a": [1, 2]}), schema).code == 0
    captured = capfd.readouterr()
    assert "set-output" not in captured.out + captured.err


def test_exception_texts__stay_private(validate: Validate) -> None:
    """What a crashing check says may quote a value, so it is shown on request only; its place is always shown."""
    schema = "S = pa.DataFrameSchema({'name': pa.Column(str, pa.Check(lambda s: s.astype(float) > 0))})\n"
    table = pd.DataFrame({"name": ["Alice Secret", "Bob"]})

    private = validate(table, schema)
    assert private.code == 2 and "Alice" not in str(private.report)
    assert "ValueError in module_" in private.report["summary"]

    assert "Alice Secret" in str(validate(table, schema, "--include-values").report)


def test_index_of_pandas__is_a_column_and_never_a_row_number(validate: Validate) -> None:
    """An index that pandas stored is validated as a column, and its values do not stand in for row numbers."""
    table = pd.DataFrame({"name": ["Alice", "Bob"], "a": [-1.0, 1.0]}).set_index("name")

    run = validate(table, f"columns:\n  name: {{dtype: str}}\n  a: {FLOAT}\nstrict: true\n")

    assert failed(run) == {"greater_than_or_equal_to:a"}
    assert "Alice" not in str(run.report)
    assert run.report["details"]["data.parquet"]["samples"] == {"greater_than_or_equal_to:a": [{"row": 0}]}


def test_filtered_frame__has_no_extra_column(validate: Validate) -> None:
    """The nameless index of a filtered frame is no column that `strict` would refuse."""
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]}).iloc[[1, 3]]

    assert validate(table, f"columns:\n  a: {FLOAT}\nstrict: true\n").code == 0


def test_rules_about_the_index__are_listed(validate: Validate) -> None:
    """Rules about a nameless index are about row numbers; a named index is refused, since files have none."""
    schema = "columns:\n  a: {dtype: int64}\nindex:\n- {dtype: int64, checks: {less_than: 2}}\n"

    assert statuses(validate(pd.DataFrame({"a": [1, 2]}), schema))["less_than:(index)"] == "passed"
    assert failed(validate(pd.DataFrame({"a": [1, 2, 3]}), schema)) == {"less_than:(index)"}
    assert validate(pd.DataFrame({"a": [1, 2]}), schema.replace("- {", "- {name: id, ")).code == 2


def test_values_that_pandera_cannot_handle__error(validate: Validate) -> None:
    """Where pandera gives up, no rule is said to hold."""
    run = validate(pd.DataFrame({"a": [[1], [2]]}), "columns:\n  a: {unique: true}\n")

    assert (run.code, statuses(run)) == (2, {"minimum-rows": "passed", "schema": "error"})


def test_polars_schema__refused(validate: Validate) -> None:
    """A schema for Polars is refused by name: on a lazy frame it would skip every check of values."""
    schema = "import pandera.polars as pl\n\nS = pl.DataFrameSchema({'a': pl.Column(int)})\n"

    run = validate(pd.DataFrame({"a": [1, 2]}), schema)

    assert run.code == 2 and "pandera.api.polars" in run.report["summary"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,x\n2\x00,y\n", "NUL"),
        ("a,b\n1,x\n2,y\n".encode("utf-16-le"), "NUL"),
        (b'"x\n",a,a\n1,2,3\n1,2,3\n', "more than one column is named 'a'"),
        (b'a,b\n1,"x\n2,y\n', "not a readable CSV file"),
    ],
    ids=["NUL in a row", "UTF-16 without a mark", "duplicates in a header of two lines", "open quote"],
)
def test_csv_that_pandas_reads_otherwise__refused(validate: Validate, content: bytes, words: str) -> None:
    """Files that pandas would read with cut values or renamed columns are refused."""
    run = validate(content, "columns:\n  a: {dtype: int64}\n")

    assert run.code == 2 and words in run.report["summary"]


@pytest.mark.parametrize(
    "damage", [lambda z: z[:-20], lambda z: b"a,b\n" + z, lambda z: z[:30] + b"\x00\xff\x13" + z[33:]]
)
def test_damaged_gzip__refused(cd4ml: Callable[..., Run], tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A compressed file that ends early or does not decode is bad input, not an internal error."""
    (tmp_path / "data.csv.gz").write_bytes(damage(gzip.compress(b"a\n" + os.urandom(500).hex().encode() * 9)))
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: str}\n")

    run = cd4ml("validate-data", "--data", "data.csv.gz", "--schema", "schema.yaml")

    assert run.code == 2 and "gzip" in run.report["summary"]


def test_gzip_bomb__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A compressed file that expands without end is refused before it is read."""
    with gzip.open(tmp_path / "data.csv.gz", "wb", compresslevel=1) as stream:
        stream.write(b"a\n")
        for _ in range(150):
            stream.write(b"1\n" * 500_000)
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64}\n")

    run = cd4ml("validate-data", "--data", "data.csv.gz", "--schema", "schema.yaml")

    assert run.code == 2 and "refused as hostile" in run.report["summary"]


def folder(path: Path, **tables: pa.Table) -> None:
    """Write a folder of Parquet files; `__` in a name stands for a dot or a slash."""
    for name, table in tables.items():
        file = path / name.replace("___", "/").replace("__", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file)


ROWS = pa.table({"a": [1, 2]})


@pytest.mark.parametrize(
    ("tables", "code"),
    [
        ({"x__parquet": ROWS, "y__pq": ROWS}, 0),
        ({"k=1___x__parquet": ROWS, "k=2___x__parquet": ROWS}, 0),
        ({"x__parquet": ROWS, "y__parquet": pa.table({"a": [-1, 1]})}, 1),
        ({"x__parquet": ROWS, "y__pq": pa.table({"a": [-1, 1]})}, 1),
        ({"x__parquet": ROWS, "_y__parquet": ROWS}, 2),
        ({"x__parquet": ROWS, "_temporary___y__parquet": ROWS}, 2),
        ({"x__parquet": ROWS, "y__parquet": pa.table({"a": [1], "b": [1]})}, 2),
        ({"x__parquet": ROWS, "y__parquet": pa.table({"a": ["1"]})}, 2),
        ({"x__parquet": ROWS, "y__csv": ROWS}, 2),
        ({"x__txt": ROWS}, 2),
    ],
)
def test_folder__every_row_counts(
    cd4ml: Callable[..., Run], tmp_path: Path, tables: dict[str, pa.Table], code: int
) -> None:
    """Every file of a folder is validated; what Arrow would leave out or blend in is refused."""
    folder(tmp_path / "data", **tables)
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64, checks: {greater_than: 0}}\n")

    run = cd4ml("validate-data", "--data", "data", "--schema", "schema.yaml")

    assert run.code == code, run.report["summary"]
    if code == 0:
        assert run.report["metrics"]["rows"] == {"data": 4}


def test_what_is_no_file__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A pipe is refused instead of being waited for, alone or in a folder; so is a link in a folder."""
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64}\n")
    os.mkfifo(tmp_path / "data.parquet")
    folder(tmp_path / "data", x__parquet=ROWS)
    (tmp_path / "data" / "y.parquet").symlink_to(tmp_path / "data" / "x.parquet")

    for name in ("data.parquet", "data"):
        run = cd4ml("validate-data", "--data", name, "--schema", "schema.yaml")
        assert run.code == 2 and "regular file" in run.report["summary"]


def test_damaged_pages__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A Parquet file whose footer is whole and whose pages are not is bad input."""
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": list(range(100_000))}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[2000:4000] = b"\xab" * 2000
    path.write_bytes(content)
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64}\n")

    assert cd4ml("validate-data", "--data", "data.parquet", "--schema", "schema.yaml").code == 2


def test_constant_column_bomb__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A file of kilobytes whose run lengths promise gigabytes is refused, though its pages are small."""
    column = pa.array(np.zeros(2_000_000))
    with pq.ParquetWriter(tmp_path / "data.parquet", pa.schema([("a", pa.float64())])) as writer:
        for _ in range(40):
            writer.write_table(pa.table({"a": column}))
    assert (tmp_path / "data.parquet").stat().st_size < 500_000
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: float64}\n")

    run = cd4ml("validate-data", "--data", "data.parquet", "--schema", "schema.yaml")

    assert run.code == 2 and "refused as hostile" in run.report["summary"]


def test_counts__equal_an_independent_count(validate: Validate) -> None:
    """The numbers of failing rows are those that pandas counts without pandera."""
    generator = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "a": np.where(generator.random(5000) < 0.1, np.nan, generator.normal(0, 1, 5000)),
            "b": generator.integers(0, 4000, 5000),
            "c": generator.choice(["x", "y", "z"], 5000),
        }
    )
    schema = (
        "columns:\n  a: {dtype: float64, nullable: true, checks: {in_range: {min_value: -1, max_value: 1}}}\n"
        "  b: {dtype: int64, unique: true, checks: {less_than: 3000}}\n  c: {dtype: str, checks: {isin: [x, y]}}\n"
    )

    values = {item["id"]: item.get("value") for item in validate(table, schema).report["checks"]}

    assert values["in_range:a"] == int((table["a"].abs() > 1).sum())
    assert values["unique:b"] == int(table["b"].duplicated(keep=False).sum())
    assert values["less_than:b"] == int((table["b"] >= 3000).sum())
    assert values["isin:c"] == int((table["c"] == "z").sum())
    assert values["has-values:a"] == int(table["a"].notna().sum())


@pytest.mark.parametrize(("absent", "failing"), [("a, z", {"present:z", "unique:a, z"}), ("a, c", {"unique:a, c"})])
def test_uniqueness_of_columns_that_are_not_there__is_not_said_to_hold(
    validate: Validate, absent: str, failing: set[str]
) -> None:
    """Columns that must not repeat together must be there, unless they are optional; what is there is looked at."""
    schema = f"columns:\n  a: {{dtype: int64}}\n  c: {{dtype: int64, required: false}}\nunique: [{absent}]\n"

    assert failed(validate(pd.DataFrame({"a": [1, 1], "b": [1, 2]}), schema)) == failing
    assert failed(validate(pd.DataFrame({"a": [1, 2], "b": [1, 2]}), schema)) == failing & {"present:z"}
