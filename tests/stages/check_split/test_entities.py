"""Keys and entities of both tables."""

from __future__ import annotations

import polars as pl
import pytest

from tests.stages.check_split.conftest import Split, applications, by_id

TRAIN = applications(400, 1).with_columns(id=pl.int_range(400), customer=pl.int_range(400).cast(pl.String))
TEST = applications(100, 2).with_columns(
    id=pl.int_range(1_000, 1_100), customer=pl.int_range(1_000, 1_100).cast(pl.String)
)


def with_value(column: str, value: object, rows: int = 1) -> pl.DataFrame:
    """Return the test rows with another value in the first few rows of a column."""
    first = pl.int_range(pl.len()) < rows
    return TEST.with_columns(
        pl.when(first).then(pl.lit(value, TEST.schema[column])).otherwise(pl.col(column)).alias(column)
    )


def test_new_keys_and_entities__pass(split: Split) -> None:
    """Keys that occur once, and entities that are on one side alone, pass."""
    run = split(TRAIN, TEST, "--key", "id", "--group", "customer")

    assert run.code == 0
    assert {"duplicate-keys", "key-overlap", "group-overlap:customer"} <= set(by_id(run))
    assert run.report["metrics"]["entities"]["customer"]["in_both"] == 0


@pytest.mark.parametrize(
    ("test", "rule", "reason"),
    [
        (with_value("id", 1_050), "duplicate-keys", "repeated-keys"),
        (with_value("id", 7), "key-overlap", "keys-in-training"),
        (with_value("customer", "7"), "group-overlap:customer", "groups-in-training"),
    ],
)
def test_one_row__blocks(split: Split, test: pl.DataFrame, rule: str, reason: str) -> None:
    """A single row whose key or entity is not its own blocks, and nothing else does."""
    run = split(TRAIN, test, "--key", "id", "--group", "customer")

    blocking = {id: check["reason"] for id, check in by_id(run).items() if check["status"] != "passed"}
    assert run.code == 1 and blocking == {rule: reason}


def test_entities__are_counted(split: Split) -> None:
    """The message says how many entities are in both tables, and with how many rows; the limit decides."""
    test = with_value("customer", "7", rows=30)

    strict, allowed = (
        split(TRAIN, test, "--group", "customer", "--maximum-group-overlap", limit) for limit in ("0", "0.3")
    )

    assert "`customer`: 1 value in both tables" in by_id(strict)["group-overlap:customer"]["message"]
    assert "30 of 100 test rows (30.0 %)" in by_id(strict)["group-overlap:customer"]["message"]
    assert strict.code == 1 and allowed.code == 0


def test_key_of_several_columns(split: Split) -> None:
    """Columns identify a row together: equal values in one of them are no equal keys."""
    test = with_value("id", 7)

    assert split(TRAIN, test, "--key", "id,customer").code == 0
    assert split(TRAIN, test.with_columns(pl.lit("7").alias("customer")), "--key", "id,customer").code == 1


@pytest.mark.parametrize("arguments", [("--key", "id"), ("--group", "id")])
def test_missing_value__is_not_passed(split: Split, arguments: tuple[str, ...]) -> None:
    """A row without a key or an entity leaves the verdict open."""
    run = split(TRAIN, with_value("id", None), *arguments)

    assert run.code == 4 and "No value in 1 test row." in run.report["summary"]


@pytest.mark.parametrize("rows", [1, 400])
@pytest.mark.parametrize(("column", "arguments"), [("id", ("--key", "id")), ("customer", ("--group", "customer"))])
def test_missing_value__in_training_is_not_passed(
    split: Split, rows: int, column: str, arguments: tuple[str, ...]
) -> None:
    """A training row without a key or an entity may have that of a test row, whatever the limit is, unless it is 1."""
    train = TRAIN.with_columns(
        pl.when(pl.int_range(pl.len()) < rows).then(None).otherwise(pl.col(column)).alias(column)
    )
    rule = {"id": "key-overlap", "customer": "group-overlap"}[column]

    run, lenient, off = (split(train, TEST, *arguments, f"--maximum-{rule}", limit) for limit in ("0", "0.9", "1"))

    assert run.code == lenient.code == 4 and off.code == 0
    assert f"No value in {rows} training row{'' if rows == 1 else 's'}." in run.report["summary"]
    assert run.report["metrics"]["entities"][column]["training_rows_without"] == rows


@pytest.mark.parametrize("option", ["key", "group", "feature-times"])
def test_column_listed_twice__is_refused(split: Split, option: str) -> None:
    """A column that stands twice in a list of columns is a mistake, and is named."""
    run = split(TRAIN, TEST, f"--{option}", "id,customer,id,id", "--time", "age")

    assert run.code == 2 and run.report["summary"].startswith(f"{option}: `id` is listed more than once")
    assert run.report["summary"].count("more than once") == 1


def test_other_type__is_refused(split: Split) -> None:
    """Keys whose types have no value in common are refused: none of them would ever be equal."""
    run = split(TRAIN, TEST.with_columns(pl.col("id").cast(pl.String)), "--key", "id")

    assert run.code == 2 and "`id` is Int64 in train.parquet and String in test.parquet" in run.report["summary"]
