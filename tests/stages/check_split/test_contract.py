"""The contract between training rows, test rows and a model's signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cd4ml.inputs.options import declared
from cd4ml.metrics.performance.evaluation import CLASS_FLOOR
from cd4ml.stages.check_split.options import Options
from tests.conftest import Run
from tests.stages.check_split.conftest import TARGET, Split, applications, by_id

TRAIN, TEST = applications(2_000, 1), applications(500, 2)
DECIDED = np.random.default_rng(5).integers(0, 2, 2_500)
INPUTS = [
    {"name": "income", "type": "double", "required": True},
    {"name": "age", "type": "long", "required": True},
    {"name": "city", "type": "string", "required": True},
]


def blocking(run: Run) -> dict[str, str]:
    """Return the reason of each check that did not pass."""
    return {id: check["reason"] for id, check in by_id(run).items() if check["status"] != "passed"}


def model(folder: Path, inputs: list[dict[str, Any]] | None) -> str:
    """Write what MLflow writes of a model beside its weights; return the folder's name."""
    (folder / "model").mkdir()
    signature = "" if inputs is None else f"signature:\n  inputs: '{json.dumps(inputs)}'\n"
    flavors = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
    (folder / "model" / "MLmodel").write_text(flavors + signature)
    return "model"


def test_clean__passes(split: Split) -> None:
    """Rows of one origin pass every check of the contract, and what is only reported says so."""
    run = split(TRAIN, TEST)

    assert run.code == 0 and blocking(run) == {}
    expected = {"same-columns", "column-order", "same-type", "target-copied", "class-rows", "class-balance"}
    assert {*expected, "unseen-categories", "shift"} <= set(by_id(run))


@pytest.mark.parametrize(
    ("test", "reasons"),
    [
        (TEST.drop("age"), {"same-columns": "missing-columns"}),
        (TEST.select(reversed(TEST.columns)), {"column-order": "different-order"}),
        (TEST.with_columns(pl.col("age").cast(pl.String)), {"same-type:age": "different-type"}),
        (
            TEST.with_columns(pl.when(pl.col("age") > 60).then(2).otherwise(pl.col(TARGET)).alias(TARGET)),
            {"unseen-class:2": "unseen-class"},
        ),
    ],
    ids=["missing", "order", "type", "class"],
)
def test_broken__blocks(split: Split, test: pl.DataFrame, reasons: dict[str, str]) -> None:
    """A missing column, another order, another type and a class never trained on block."""
    run = split(TRAIN, test)

    assert run.code != 0 and blocking(run) == reasons


def test_order__allowed(split: Split) -> None:
    """Another order of columns passes where it is allowed."""
    assert split(TRAIN, TEST.select(reversed(TEST.columns)), "--any-column-order", "true").code == 0


@pytest.mark.parametrize("target", [pl.Series(DECIDED), pl.Series(np.random.default_rng(6).normal(size=2_500))])
def test_copies__block(split: Split, target: pl.Series) -> None:
    """A column that is the target on every row blocks, and one that differs on a single row does not."""
    columns = {TARGET: target, "letter": target * 3 + 1, "nearly": pl.Series([target[0] + 1, *target[1:]])}
    rows = applications(2_500, 3, **columns)

    run = split(rows[:2_000], rows[2_000:])

    assert by_id(run)["target-copied:letter"]["status"] == "failed"
    assert "target-copied:nearly" not in by_id(run)
    assert run.report["metrics"]["copies_of_target"] == ["letter"]


@pytest.mark.parametrize("option", [("--exclude", "letter"), ("--maximum-feature-power", "letter=1, *=0.99")])
def test_allowed_copy__passes(split: Split, option: tuple[str, str]) -> None:
    """A copy of the target that is no feature, or that is known before it, passes."""
    columns = {TARGET: DECIDED, "letter": 1 - DECIDED}
    rows = applications(2_500, 3, **columns)

    run = split(rows[:2_000], rows[2_000:], *option)

    assert run.code == 0 and by_id(run)["target-copied"]["status"] == "passed"


MOVED = TEST.with_columns(
    income=pl.col("income") + 15,
    city=pl.when(pl.col("age") > 65).then(pl.lit("East")).otherwise(pl.col("city")),
)


def test_shift__reported(split: Split) -> None:
    """A shift and categories that training never had are told with their numbers and block nothing."""
    run = split(TRAIN, MOVED)

    assert run.code == 0
    assert by_id(run)["shift"]["reason"] == "shifted" and "income (PSI " in by_id(run)["shift"]["message"]
    assert by_id(run)["unseen-categories"]["value"] == pytest.approx((MOVED["city"] == "East").mean())


def test_shift__limits(split: Split) -> None:
    """With limits they block, feature by feature."""
    run = split(TRAIN, MOVED, "--maximum-shift", "0.25", "--maximum-unseen-categories", "0.02")

    assert run.code == 1
    assert blocking(run)["shift:income"] == "shifted"
    assert blocking(run)["unseen-categories:city"] == "unseen-categories"
    assert by_id(run)["shift:debt"]["status"] == "passed"


def test_class_balance__limit(split: Split) -> None:
    """With a limit a test of other classes than training blocks."""
    test = pl.concat([TEST.filter(pl.col(TARGET) == 1), TEST.filter(pl.col(TARGET) == 0)[:60]])

    assert blocking(split(TRAIN, test, "--maximum-class-difference", "0.1")) == {
        "class-balance": "class-balance-changed"
    }


def test_many_categories__are_named(split: Split) -> None:
    """A column of more categories than can be counted is not compared, and with a limit that is inconclusive."""
    notes = pl.Series([f"note {number // 2}" for number in range(60_000)])
    rows = applications(60_000, 4, note=notes)

    reported = split(rows[:48_000], rows[48_000:])
    limits = ("--maximum-shift", "0.25", "--maximum-unseen-categories", "0.01")
    limited = split(rows[:48_000], rows[48_000:], *limits)

    assert "1 could not be compared: `note`." in by_id(reported)["shift"]["message"]
    assert blocking(limited) == {"shift:note": "not-compared", "unseen-categories:note": "not-compared"}


def test_numbers__have_no_classes(split: Split) -> None:
    """A target of numbers has no classes to count."""
    train, test = (rows.with_columns(pl.col("income").shuffle(seed=1).alias(TARGET)) for rows in (TRAIN, TEST))

    assert not [id for id in by_id(split(train, test)) if id.startswith("class-")]


@pytest.mark.parametrize("step", [1.0, 0.5], ids=["25 values", "fractions"])
def test_numbers__class_limits_are_errors(split: Split, step: float) -> None:
    """Limits of classes on a target of numbers are errors, each by its name."""
    draw = np.random.default_rng(4)
    values = 25 if step == 1 else 3
    train, test = (
        rows.with_columns(pl.Series(TARGET, draw.integers(0, values, len(rows)) * step)) for rows in (TRAIN, TEST)
    )

    run = split(train, test, "--maximum-class-difference", "0.01", "--minimum-class-rows", "50")

    assert run.code == 2
    assert blocking(run) == {"class-rows": "no-classes", "class-balance": "no-classes"}
    assert "more than 20 different values" in by_id(run)["class-balance"]["message"]


def test_limits__no_column_to_hold_them_to(split: Split) -> None:
    """Limits of shift and of unseen categories decide something even if no column can be held to them."""
    days = pl.Series("day", np.arange(2_500).astype("datetime64[D]"))
    rows = applications(2_500, 3).select(days, TARGET)

    run = split(rows[:2_000], rows[2_000:], "--maximum-shift", "0.25", "--maximum-unseen-categories", "0.01")

    assert run.code == 4
    expected = {"shift": "not-compared", "unseen-categories": "not-compared"}
    assert {id: reason for id, reason in blocking(run).items() if id in expected} == expected


@pytest.mark.parametrize("empty", [None, float("nan")])
@pytest.mark.parametrize("side", ["training", "test"])
def test_empty_column__blocks(split: Split, empty: float | None, side: str) -> None:
    """A column that has values in one table alone blocks, whether it is null or NaN in the other."""
    lacking = pl.lit(empty, dtype=pl.Float64).alias("income")
    tables = (TRAIN.with_columns(lacking), TEST) if side == "training" else (TRAIN, TEST.with_columns(lacking))

    run = split(*tables)

    assert run.code == 1 and blocking(run) == {"empty-column:income": "empty-column"}
    assert f"none in the {side} rows" in by_id(run)["empty-column:income"]["message"]


def test_signature__agrees(split: Split, tmp_path: Path) -> None:
    """Tables that have what the model takes pass, in any order, and the report names the model."""
    run = split(TRAIN, TEST.select(reversed(TEST.columns)), "--candidate", model(tmp_path, INPUTS))

    assert run.code == 0
    assert by_id(run)["signature:test"]["status"] == "passed"
    assert run.report["candidate"]["uri"] == "model"


@pytest.mark.parametrize(
    ("inputs", "reasons"),
    [
        (
            [*INPUTS, {"name": "iban", "type": "string", "required": True}],
            {"signature:training": "missing-columns", "signature:test": "missing-columns"},
        ),
        (
            [*INPUTS, {"name": "debt", "type": "string", "required": True}],
            {"signature:training": "different-type", "signature:test": "different-type"},
        ),
        ([*INPUTS, {"name": TARGET, "type": "long"}], {"target-among-features": "target-among-features"}),
        (None, {"signature": "no-signature"}),
    ],
    ids=["missing", "type", "target", "none"],
)
def test_signature__differs(
    split: Split, tmp_path: Path, inputs: list[dict[str, Any]] | None, reasons: dict[str, str]
) -> None:
    """A column that the tables lack, another type, the target as a feature and a model without signature block."""
    run = split(TRAIN, TEST, "--candidate", model(tmp_path, inputs))

    assert run.code != 0 and blocking(run) == reasons


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("maximum-shift", "0"),
        ("maximum-unseen-categories", "1"),
        ("maximum-class-difference", "-0.1"),
        ("minimum-class-rows", "0"),
    ],
)
def test_limits__that_decide_nothing(split: Split, option: str, value: str) -> None:
    """A limit that could decide nothing is refused by name."""
    run = split(TRAIN, TEST, f"--{option}={value}")

    assert run.code == 2 and option in run.report["checks"][0]["message"]


def test_class_rows(split: Split) -> None:
    """Few test rows of a class are told; with a limit they are inconclusive."""
    reported, limited = split(TRAIN, TEST[:60]), split(TRAIN, TEST[:60], "--minimum-class-rows", str(CLASS_FLOOR))

    assert reported.code == 0 and by_id(reported)["class-rows"]["reason"] == "too-few-rows"
    assert limited.code == 4
    assert blocking(limited) == {"class-rows:0": "too-few-rows", "class-rows:1": "too-few-rows"}


def test_class_floor__is_told() -> None:
    """The help of the limit names the rows below which evaluate-model tests no class."""
    (told,) = [one.help for one in declared(Options) if one.name == "minimum-class-rows"]

    assert f"from {CLASS_FLOOR} on" in told
