"""Training against serving data: the same schema on both, and what holds on one side only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.conftest import Run, run_cd4ml

SCHEMA = """\
columns:
  age: {dtype: int64, checks: {in_range: {min_value: 18, max_value: 99}}}
  city: {dtype: str, checks: {isin: [Oslo, Bergen]}}
  y: {dtype: bool}
strict: true
"""
TRAINING = pl.DataFrame({"age": [20, 30, 40], "city": ["Oslo", "Bergen", "Oslo"], "y": [True, False, True]})
COMMAND = "--data train.parquet --schema schema.yaml --serving serving.parquet --training-only y".split()


@pytest.fixture
def skew(cd4ml: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    """Validate training data against serving data."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)

    def run(training: pl.DataFrame, serving: pl.DataFrame, *arguments: str) -> Run:
        training.write_parquet(tmp_path / "train.parquet")
        serving.write_parquet(tmp_path / "serving.parquet")
        return cd4ml("validate-data", *COMMAND, *arguments)

    return run


def failed(run: Run) -> set[str]:
    """Return the ids of checks that did not pass."""
    return {item["id"] for item in run.report["checks"] if item["status"] != "passed"}


def test_same_data_without_the_target__passes(skew: Callable[..., Run]) -> None:
    """Serving data like the training data pass, though they lack the target; every column's comparison is listed."""
    run = skew(TRAINING, TRAINING.drop("y"))

    assert run.code == 0
    compared = {item["id"] for item in run.report["checks"] if item["id"].startswith("skew:")}
    assert compared == {"skew:age", "skew:city", "skew:(table)"}
    assert [item["name"] for item in run.report["inputs"]] == ["data", "serving", "schema"]


def test_target_that_must_be_there__blocks(cd4ml: Callable[..., Run], skew: Callable[..., Run]) -> None:
    """A column is missing from serving data only if it was said to be of training data alone."""
    skew(TRAINING, TRAINING.drop("y"))

    run = cd4ml("validate-data", *COMMAND[:-2])

    assert run.code == 1 and "present:y@serving.parquet" in failed(run)


def test_serving_data_in_other_form__blocks(skew: Callable[..., Run]) -> None:
    """What holds on training data and not on serving data is named column by column."""
    run = skew(
        TRAINING, TRAINING.drop("y").with_columns(age=pl.col("age") * 12, city=pl.col("city").str.to_lowercase())
    )

    assert run.code == 1
    assert failed(run) == {"in_range:age@serving.parquet", "isin:city@serving.parquet", "skew:age", "skew:city"}
    assert run.report["details"]["skew"]["age"] == {"training_only": ["in_range"], "serving_only": []}


def test_training_data_in_other_form__is_the_other_way(skew: Callable[..., Run]) -> None:
    """What holds on serving data and not on training data is told as such."""
    run = skew(TRAINING.with_columns(age=pl.lit(7, pl.Int64)), TRAINING.drop("y"))

    assert failed(run) == {"in_range:age", "skew:age"}
    assert run.report["details"]["skew"]["age"] == {"training_only": [], "serving_only": ["in_range"]}


def test_skew__can_be_tolerated(skew: Callable[..., Run]) -> None:
    """A warning for the rule takes it out of the comparison; a warning for the comparison alone leaves the rule."""
    serving = TRAINING.drop("y").with_columns(age=pl.lit(7, pl.Int64))

    assert skew(TRAINING, serving, "--warn", "in_range:age").code == 0
    assert failed(skew(TRAINING, serving, "--warn", "skew:age")) == {"in_range:age@serving.parquet"}
    assert skew(TRAINING, serving, "--warn", "skew:nothing").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--serving", "train.parquet"],
        ["--training-only", "y"],
        ["--warn", "skew:age"],
        ["--serving", "serving.parquet", "--training-only", "z"],
    ],
)
def test_options_that_decide_nothing__refused(
    cd4ml: Callable[..., Run], skew: Callable[..., Run], arguments: list[str]
) -> None:
    """Comparing data with themselves, or columns that are not there, is refused."""
    skew(TRAINING, TRAINING.drop("y"))

    assert cd4ml("validate-data", *COMMAND[:4], *arguments).code == 2


def test_warehouse__compares_its_tables(tmp_path: Path) -> None:
    """Two tables of a database are compared where they lie, warnings and budgets among them."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    serving = TRAINING.drop("y").with_columns(age=pl.Series([7, 30, 40]))
    with duckdb.connect(str(tmp_path / "w.ddb")) as connection:
        for name, table in (("training", TRAINING), ("serving", serving)):
            connection.register("frame", table.to_arrow())
            connection.execute(f"create table {name} as select * from frame")
    command = "--data training --schema schema.yaml --serving serving --training-only y --backend ibis://duckdb/w.ddb"

    run = run_cd4ml(tmp_path, "validate-data", *command.split())

    assert run.code == 1 and failed(run) == {"in_range:age@serving", "skew:age"}
    assert run.report["details"]["serving"]["decided_by"]["age"]["in_range"] == "engine"
    assert run_cd4ml(tmp_path, "validate-data", *command.split(), "--budget", "in_range:age=0.4").code == 0
    assert run_cd4ml(tmp_path, "validate-data", *command.split(), "--warn", "in_range:age").code == 0
