"""Columns that give the target away."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cd4ml.metrics.split.classes import MOST_NUMBERS
from tests.conftest import Run
from tests.stages.check_split.conftest import TARGET, Split, applications, by_id

TRAIN, TEST = applications(2_000, 1), applications(1_000, 2)


def both(split: Split, *arguments: str, **columns: Callable[[pl.DataFrame, np.random.Generator], Any]) -> Run:
    """Run check-split on both tables with further columns, each made of a table."""
    tables = []
    for seed, table in enumerate((TRAIN, TEST)):
        draw = np.random.default_rng(seed)
        made = {name: make(table, draw) for name, make in columns.items()}
        tables.append(table.with_columns(**{name: pl.Series(values) for name, values in made.items()}))
    return split(*tables, *arguments)


def test_clean_tables__pass(split: Split) -> None:
    """Tables in which nothing gives the target away pass every rule, and the report has the power of each column."""
    run = both(split)

    checks = by_id(run)
    assert run.code == 0
    assert {"feature-power", "pair-power", "one-label-categories"} <= {*checks}
    assert {*run.report["metrics"]["leakage"]["power"]} == {"income", "debt", "age", "city", "member"}
    assert "Looked at" not in checks["feature-power"]["message"]


def test_label_in_words__fails(split: Split) -> None:
    """The target as a text blocks; a limit of its own lets it pass."""

    def decision(table: pl.DataFrame, _: np.random.Generator) -> Any:
        return np.where(table[TARGET].to_numpy() == 1, "yes", "no")

    run = both(split, decision=decision)
    check = by_id(run)["feature-power:decision"]

    assert run.code == 1
    assert (check["status"], check["reason"], check["value"], check["n"]) == ("failed", "gives-target-away", 1.0, 1_000)
    assert "decision alone predicts approved: AUC 1.0000 on 1,000 test rows" in check["message"]
    assert both(split, "--maximum-feature-power", "0.99, decision=1", decision=decision).code == 0
    assert both(split, "--exclude", "decision", decision=decision).code == 0


def test_time_of_decision__fails(split: Split) -> None:
    """A time that only rows with the label have blocks, by its gaps."""

    def paid(table: pl.DataFrame, draw: np.random.Generator) -> Any:
        days = draw.integers(0, 90, len(table))
        first = datetime.date(2026, 1, 1)
        return [
            first + datetime.timedelta(int(day)) if yes else None for day, yes in zip(days, table[TARGET], strict=True)
        ]

    run = both(split, paid=paid)

    assert run.code == 1
    assert by_id(run)["missing-value-power:paid"]["status"] == "failed"


def test_target_of_numbers__sum_of_two(split: Split) -> None:
    """Two columns that add up to a target of numbers block, and the message shows how."""
    tables = [table.with_columns((pl.col("income") - pl.col("debt")).alias(TARGET)) for table in (TRAIN, TEST)]

    run = split(*tables)

    (check,) = (check for id, check in by_id(run).items() if id.startswith("pair-power"))
    assert run.code == 1
    assert check["value"] > 0.9999
    assert "income and debt together (a*income+b*debt) predict approved: R² 1.0000" in check["message"]
    assert run.report["metrics"]["leakage"]["measure"] == "explained-variance"


def test_large_tables__sampled_and_said(split: Split) -> None:
    """Of large tables a fixed number of rows is looked at, the report says so, and a leak is found all the same."""
    train, test = (
        applications(rows, seed).with_columns(pl.col(TARGET).alias("copy"))
        for rows, seed in ((150_000, 3), (120_000, 4))
    )

    run = split(train, test)

    check = by_id(run)["feature-power:copy"]
    assert (run.code, check["n"]) == (1, 100_000)
    assert "Looked at 100,000 of 150,000 training rows and 100,000 of 120,000 test rows." in check["message"]


def test_what_cannot_be_read__said(split: Split) -> None:
    """Columns of lists, columns of another type in the test and rows without a target are named."""
    train = TRAIN.with_columns(pl.Series("tags", [["a"]] * len(TRAIN)), code=pl.lit(1))
    test = TEST.with_columns(
        pl.Series("tags", [["a"]] * len(TEST)),
        code=pl.lit("one"),
        **{TARGET: pl.when(pl.int_range(len(TEST)) < 10).then(None).otherwise(pl.col(TARGET))},
    )

    check = by_id(split(train, test))["feature-power"]

    assert check["message"].endswith(
        "Looked at 2,000 of 2,000 training rows and 990 of 1,000 test rows. Not looked at: `tags`, `code`."
    )


@pytest.mark.parametrize("value", [None, 1.0], ids=["empty", "constant"])
def test_no_feature_varies__inconclusive(split: Split, value: float | None) -> None:
    """Tables whose features are all empty or constant leave it open what gives the target away."""
    train, test = (rows.select(TARGET, x=pl.lit(value)) for rows in (TRAIN, TEST))

    run = split(train, test)

    assert run.code == 4
    check = by_id(run)["feature-power"]
    assert (check["status"], check["reason"]) == ("inconclusive", "no-features")


def test_lists_beside_a_constant__inconclusive(split: Split) -> None:
    """Where no feature can be read for leakage, the check is there, and names those that were not looked at."""
    train, test = (rows.select(TARGET, tags=pl.concat_list("age"), constant=1) for rows in (TRAIN, TEST))

    check = by_id(split(train, test))["feature-power"]

    assert check["status"] == "inconclusive" and "Not looked at: `tags`." in check["message"]


@pytest.mark.parametrize("classes", [12, MOST_NUMBERS])
def test_whole_numbers__are_classes(split: Split, classes: int) -> None:
    """A text that gives some of many classes away blocks, whether they are whole numbers or texts."""
    draw = np.random.default_rng(4)
    target = draw.integers(0, classes, 3_000)
    flag = ["told" if one == 3 else "other" for one in target]
    rows = pl.DataFrame({"x": draw.normal(size=3_000), "flag": flag, TARGET: target})

    found = []
    for table in (rows, rows.with_columns(pl.col(TARGET).cast(pl.String))):
        run = split(table[:2_000], table[2_000:])
        found.append([id for id, one in by_id(run).items() if one["status"] == "failed"])

    assert found == [["one-label-categories:flag:3"]] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--maximum-feature-power", "0.99, incom=1"],
            "`incom` is not a feature of these tables (did you mean `income`?)",
        ),
        (["--maximum-feature-power", "0"], "maximum-feature-power must be above 0 and at most 1, got 0"),
        (["--maximum-pair-power", "1.5"], "maximum-pair-power must be above 0 and at most 1, got 1.5"),
        (["--model-power", "-1"], "model-power must be above 0 and at most 1, got -1"),
    ],
)
def test_limits__refused(split: Split, arguments: list[str], said: str) -> None:
    """A limit that nothing or everything meets, or of a column that is not there, is refused."""
    run = split(TRAIN, TEST, *arguments)

    (check,) = run.report["checks"]
    assert run.code == 2 and said in check["message"]


def test_csv__same_verdict(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The same rows as CSV files give the same powers as Parquet."""
    powers = []
    for ending in ("csv", "parquet"):
        for name, table in (("train", TRAIN), ("test", TEST)):
            path = tmp_path / f"{name}.{ending}"
            table.write_csv(path) if ending == "csv" else table.write_parquet(path)
        files = ("--train-data", f"train.{ending}", "--test-data", f"test.{ending}")
        powers.append(cd4ml("check-split", *files, "--target", TARGET).report["metrics"]["leakage"]["power"])

    assert powers[0] == pytest.approx(powers[1])
