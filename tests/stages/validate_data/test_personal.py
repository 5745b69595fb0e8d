"""validate-data and personal data: reported by default, blocked where that is asked for, and never shown."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run
from tests.data.personal.test_personal import bsn

SCHEMA = """\
schema_type: dataframe
api: pandas
columns:
  mail: {dtype: str, checks: {str_startswith: z}}
  number: {dtype: int64, checks: {less_than: 0}}
  city: {dtype: str, checks: {isin: [Oslo]}}
strict: true
"""
Command = Callable[..., Run]


def customers(rows: int = 30) -> pd.DataFrame:
    """Return customers with mail addresses and BSNs."""
    numbers = [int(bsn(random.Random(seed))) for seed in range(rows)]
    return pd.DataFrame({"mail": [f"jane{n}@example.org" for n in range(rows)], "number": numbers, "city": "Rome"})


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Write the table and a schema that its values do not meet."""
    frame = customers()
    frame.to_parquet(tmp_path / "data.parquet", index=False)
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    return frame


def named(run: Run) -> dict[str, str]:
    """Return the status of each check on personal data."""
    return {check["id"]: check["status"] for check in run.report["checks"] if check["id"].startswith("personal-data")}


def test_reported_by_default(cd4ml: Command, table: pd.DataFrame, tmp_path: Path) -> None:
    """Columns and kinds are named in remarks that block nothing, and the report says how far was looked."""
    passing = SCHEMA.replace("str_startswith: z", "str_startswith: jane").replace("less_than: 0", "greater_than: 0")
    (tmp_path / "schema.yaml").write_text(passing.replace("Oslo", "Rome"))

    run = cd4ml("validate-data", "--data", "data.parquet", "--schema", "schema.yaml")

    assert run.code == 0 and run.report["status"] == "passed"
    assert named(run) == {"personal-data:mail:mail-address": "passed", "personal-data:number:nl-bsn": "passed"}
    looked = run.report["details"]["data.parquet"]["personal_data"]
    assert looked == {"rows": 30, "columns": 3, "allowed": []}


@pytest.mark.parametrize("values", [(), ("--include-values",)])
def test_never_shown(
    values: tuple[str, ...], cd4ml: Command, table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failing values of such columns are shown nowhere, even where values are asked for; those of others are then."""
    options = ("--data", "data.parquet", "--schema", "schema.yaml", "--on-personal-data", "ignore", *values)
    run = cd4ml("validate-data", *options, capsys=capsys)
    text = (tmp_path / "reports" / "validate-data.json").read_text() + run.stdout + run.stderr

    assert run.code == 1 and not named(run)
    assert "jane" not in text and not any(str(number) in text for number in table["number"])
    assert ("Rome" in text) == bool(values) and ("not shown: Dutch BSN numbers" in text) == bool(values)


def test_blocks(cd4ml: Command, table: pd.DataFrame) -> None:
    """With `fail` each finding blocks; a column that may hold personal data does not, and stays named in the report."""
    options = ("--data", "data.parquet", "--schema", "schema.yaml", "--on-personal-data", "fail")
    run = cd4ml("validate-data", *options, "--allow-personal-data", "mail")

    assert run.code == 1 and named(run) == {"personal-data:number:nl-bsn": "failed"}
    assert run.report["details"]["data.parquet"]["personal_data"]["allowed"] == ["mail"]
    both = cd4ml("validate-data", *options, "--allow-personal-data", "mail,number")
    assert named(both) == {"personal-data": "passed"}


def test_serving(cd4ml: Command, table: pd.DataFrame, tmp_path: Path) -> None:
    """What serving data hold is named after its table, and is not compared with training data as a rule would be."""
    customers(40).to_parquet(tmp_path / "serving.parquet", index=False)
    run = cd4ml("validate-data", "--data", "data.parquet", "--schema", "schema.yaml", "--serving", "serving.parquet")

    assert "personal-data:mail:mail-address@serving.parquet" in named(run) and len(named(run)) == 4
    assert not any(check["id"].startswith("skew:personal") for check in run.report["checks"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--personal-data-rows", "0"), "personal-data-rows must be at least 1"),
        (("--backend", "spark", "--on-personal-data", "fail"), "on-personal-data: fail is for the local backend"),
        (("--on-personal-data", "ignore", "--allow-personal-data", "x"), "allow-personal-data decides nothing"),
    ],
)
def test_refused(
    options: tuple[str, ...], said: str, cd4ml: Command, table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would look at nothing, or decide nothing, is refused before any row is read."""
    run = cd4ml("validate-data", "--data", "data.parquet", "--schema", "schema.yaml", *options, capsys=capsys)

    assert run.code == 2 and said in run.stdout
