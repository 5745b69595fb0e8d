"""What the checks of validate-data say: sentences of a person who looked at the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run

Command = Callable[..., Run]

SCHEMA = """\
columns:
  id: {dtype: int64, unique: true}
  age: {dtype: int64, checks: {in_range: {min_value: 0, max_value: 90, include_min: true, include_max: true}}}
  income: {dtype: float64}
  city: {dtype: str, nullable: true}
  postcode: {dtype: str}
  'note_.*': {regex: true}
unique: [city, income]
strict: true
ordered: true
"""


def test_failed_checks__say_what_is_wrong(cd4ml: Command, tmp_path: Path) -> None:
    """Each sentence names the column, what it breaks, and where; none needs the check's id to be understood."""
    frame = pd.DataFrame(
        {
            "age": [30, 120, 40],
            "id": [1, 1, 2],
            "income": [1.5, 1.5, None],
            "city": ["Oslo", "Oslo", None],
            "post_code": 1,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    (tmp_path / "schema.yaml").write_text(SCHEMA)

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml", "--include-values", "true")

    said = {check["id"]: check["message"] for check in run.report["checks"] if check["status"] == "failed"}
    assert said == {
        "present:postcode": "`postcode` is missing (did you mean `post_code`?).",
        "present:note_.*": "No column matches `note_.*`.",
        "unique:id": "`id` repeats values in 2 of 3 rows, e.g. row 0: 1, row 1: 1.",
        "in_range:age": "`age` breaks in_range(0, 90) in 1 of 3 rows, e.g. row 1: 120.",
        "not-nullable:income": "`income` has no value in 1 of 3 rows, e.g. row 2.",
        "unique:city, income": "Rows repeat others in `city` and `income`: 2 of 3 rows, e.g. row 0: ('Oslo', 1.5), "
        "row 1: ('Oslo', 1.5).",
        "strict": "The schema does not name these columns: post_code.",
        "ordered": "These columns are not in the schema's order: age, id.",
    }


def test_passed_checks__say_what_holds(cd4ml: Command, tmp_path: Path) -> None:
    """What holds is said as plainly as what does not; a wrong type is named, and a budget with its rows."""
    pd.DataFrame({"age": [30, 120, 40], "rank": [1.5, 2.5, 3.5]}).to_parquet(tmp_path / "t.parquet", index=False)
    (tmp_path / "schema.yaml").write_text(
        "columns:\n  age: {dtype: int64, checks: {less_than: 90}}\n  rank: {dtype: int64}\n"
    )
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml", "--budget", "less_than:age=0.5"]

    said = {check["id"]: check["message"] for check in cd4ml(*command).report["checks"]}

    assert said["present:age"] == "`age` is there." and said["dtype:age"] == "`age` is of type int64."
    assert said["not-nullable:age"] == "`age` has a value in every row."
    assert said["dtype:rank"] == "`rank` is not of type int64; it is float64."
    assert said["less_than:age"] == (
        "`age` breaks less_than(90) in 1 of 3 rows, e.g. row 1. The budget is 1 rows (50 % of 3)."
    )


@pytest.mark.parametrize(
    ("source", "words", "advice"),
    [
        ("baselines.loans:Schema", "there is no module `baselines` in the working directory", "module:object"),
        ("importing:Schema", "importing.py:2 imports `lightgbm_of_nobody`, which is not installed", "move what needs"),
    ],
)
def test_module_that_is_missing__is_named(cd4ml: Command, tmp_path: Path, source: str, words: str, advice: str) -> None:
    """Whether the schema's own module is missing or one that it imports: which, where, and what to do."""
    (tmp_path / "importing.py").write_text("import pandera.pandas as pa\nimport lightgbm_of_nobody\n")
    pd.DataFrame({"age": [30, 40]}).to_parquet(tmp_path / "t.parquet", index=False)

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", source)

    assert run.code == 3 and words in run.report["summary"]
    assert advice in str(run.report)


@pytest.mark.parametrize("folder", [".", "src", "src/loans/deep"])
def test_module_of_the_project__is_found_in_a_src_layout(cd4ml: Command, tmp_path: Path, folder: str) -> None:
    """A schema of the project is found from its folder and from its `src`, packages in packages as well."""
    package = tmp_path / folder
    package.mkdir(parents=True, exist_ok=True)
    name = f"schema_{folder.count('/')}{len(folder)}"
    (package / f"{name}_limits.py").write_text("MOST = 50\n")
    module = ".".join([*Path(folder).parts[1:], name]) if folder != "." else name
    limits = f"{module}_limits"
    (package / f"{name}.py").write_text(
        f"import pandera.pandas as pa\nfrom {limits} import MOST\n\n"
        "S = pa.DataFrameSchema({'age': pa.Column(int, pa.Check.le(MOST))})\n"
    )
    pd.DataFrame({"age": [30, 51]}).to_parquet(tmp_path / "t.parquet", index=False)

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", f"{module}:S")

    assert run.code == 1 and "less_than_or_equal_to" in run.report["summary"]
    assert not list(tmp_path.rglob("__pycache__"))


def test_one_demand_of_column_and_table__is_one_check(cd4ml: Command, tmp_path: Path) -> None:
    """A key that both the column and the table demand is listed once, and not a second time as if it held."""
    pd.DataFrame({"id": [1, 1, 2]}).to_parquet(tmp_path / "t.parquet", index=False)
    (tmp_path / "schema.yaml").write_text("columns:\n  id: {dtype: int64, unique: true}\nunique: [id]\n")

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    found = [check["status"] for check in run.report["checks"] if check["id"] == "unique:id"]
    assert found == ["failed"]


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (
            pd.Series(pd.to_datetime(["2026-01-01"] * 3)).dt.tz_localize("UTC"),
            "'datetime64[ns]'",
            "datetime64[us, UTC]",
        ),
        (pd.Series([True, None, False], dtype=object), "bool", "object (boolean with gaps)"),
        (pd.Series([1, None, 2], dtype="Int64"), "str", "Int64"),
        (pd.Series([True, None, False], dtype="boolean"), "bool", "boolean"),
        (pd.Series(["x", "y", "z"]), "'datetime64[us, UTC]'", "str"),
        (pd.Series([pd.Timestamp("2026-01-01").date()] * 3), "str", "object (date)"),
        (pd.Series([1, 2, 3], dtype="int64[pyarrow]"), "str", "int64[pyarrow]"),
    ],
)
def test_wrong_type__is_named_as_it_was_found(
    cd4ml: Command, tmp_path: Path, values: pd.Series, dtype: str, found: str
) -> None:
    """A message about a type names the type that the column has, with its zone, and of objects what they are."""
    pd.DataFrame({"seen": values}).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text(f"columns:\n  seen: {{dtype: {dtype}, nullable: true}}\n")

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    message = next(check["message"] for check in run.report["checks"] if check["id"] == "dtype:seen")
    assert run.code == 1 and message.endswith(f"; it is {found}.")


def test_whole_numbers_with_gaps__are_called_so(cd4ml: Command, tmp_path: Path) -> None:
    """Whole numbers that pandas reads as float64 for their gaps are not called fractions."""
    pq.write_table(pa.table({"seen": pa.array([1, None, 2])}), tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text("columns:\n  seen: {dtype: int64, nullable: true}\n")

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    assert run.code == 1 and "; it is float64 (whole numbers with gaps)" in run.report["summary"]


def test_budget_of_rows__is_for_checks_of_rows_only(cd4ml: Command, tmp_path: Path) -> None:
    """A wrong type is one fault of a column, and no share of rows that a budget could cover."""
    pd.DataFrame({"age": ["x"] * 200}).to_parquet(tmp_path / "t.parquet", index=False)
    (tmp_path / "schema.yaml").write_text("columns:\n  age: {dtype: int64}\n  rank: {dtype: int64}\n")
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml"]

    for name in ("dtype:age", "present:rank"):
        run = cd4ml(*command, "--budget", f"{name}=0.5")
        assert run.code == 2 and "not a check on rows" in run.report["summary"]


def test_terminal__says_once_what_passed_of_each_table(
    cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many columns hold, one line says so of each table; what does not hold is shown without a number."""
    for name in ("a.parquet", "b.parquet"):
        pd.DataFrame({f"c{number}": [1, 2] for number in range(30)}).to_parquet(tmp_path / name, index=False)
    columns = "\n".join(f"  c{number}: {{dtype: int64}}" for number in range(30))
    (tmp_path / "schema.yaml").write_text(f"columns:\n{columns}\n  rank: {{dtype: int64}}\n")

    run = cd4ml("validate-data", "--data", "a.parquet", "--data", "b.parquet", "--schema", "schema.yaml", capsys=capsys)

    lines = [line.strip() for line in run.stdout.splitlines()]
    assert lines[0].startswith("✘ validate-data  failed  2 of 184 checks · 2 files · 4 rows · ")
    assert "present: 2 of 62 failed" in lines
    assert [line for line in lines if line.startswith("✔")] == [
        "✔ passed: present 60 · dtype 60 · not-nullable 60 · minimum-rows 2"
    ]
