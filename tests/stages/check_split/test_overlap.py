"""Test rows that stand in the training rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import Run
from tests.stages.check_split.conftest import TARGET, Split, applications, by_id

TRAIN, TEST = applications(2_000, 1), applications(500, 2)


def test_new_rows__pass(split: Split) -> None:
    """Test rows of the same origin, none of which was trained on, pass."""
    run = split(TRAIN, TEST)

    assert run.code == 0 and by_id(run)["overlap"]["value"] == 0
    assert run.report["metrics"]["rows"] == {"train": 2_000, "test": 500}


@pytest.mark.parametrize("copies", [15, 100])
def test_copies__fail(split: Split, copies: int) -> None:
    """Training rows among the test rows block, and the message counts them."""
    run = split(TRAIN, pl.concat([TEST, TRAIN[:copies]]))

    check = by_id(run)["overlap"]
    assert run.code == 1 and check["status"] == "failed" and check["reason"] == "test-rows-in-training"
    assert f"{copies} of {500 + copies} test rows" in check["message"]
    assert check["value"] == pytest.approx(copies / (500 + copies))


def test_copies__few(split: Split) -> None:
    """Where copies are certain and only whether they are too many is in doubt, the verdict is inconclusive."""
    run = split(TRAIN, pl.concat([TEST, TRAIN[:7]]))

    assert run.code == 4 and by_id(run)["overlap"]["status"] == "inconclusive"


def test_copies__allowed(split: Split) -> None:
    """The limit decides what is allowed."""
    assert split(TRAIN, pl.concat([TEST, TRAIN[:100]]), "--maximum-overlap", "0.3").code == 0


def test_other_label__is_counted(split: Split) -> None:
    """A copy with another label is a copy, and the message says that its label differs."""
    copies = TRAIN[:50].with_columns((1 - pl.col(TARGET)).alias(TARGET))

    run = split(TRAIN, pl.concat([TEST, copies]))

    assert run.code == 1 and "50 of them with another label" in by_id(run)["overlap"]["message"]
    assert run.report["metrics"]["overlap"]["other_label"] == 50


def test_other_types__are_equal(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Copies are found where one table is CSV and the other stores narrower numbers, in another order of columns."""
    TRAIN.with_columns(pl.col("age").cast(pl.Int16), pl.col("city").cast(pl.Categorical)).write_parquet(
        tmp_path / "train.parquet"
    )
    gap = TEST[:1].with_columns(age=pl.lit(None, pl.Int64))  # so that the CSV file's ages are no whole numbers
    pl.concat([gap, TRAIN[:300]]).select(reversed(TRAIN.columns)).write_csv(tmp_path / "test.csv")

    run = cd4ml("check-split", "--train-data", "train.parquet", "--test-data", "test.csv", "--target", TARGET)

    assert run.code == 1 and run.report["metrics"]["overlap"]["rows"] == 300


@pytest.mark.parametrize("copied", [0, 300])
def test_categories__equal_by_chance(split: Split, copied: int) -> None:
    """Rows of a few categories are equal by chance: they pass, copied or not, and the message says why."""
    few = ["city", "member", TARGET]

    run = split(TRAIN[few], pl.concat([TEST[few], TRAIN[few][:copied]]))

    check = by_id(run)["overlap"]
    assert (
        run.code == 0
        and check["reason"] == "little-information"
        and "say nothing of where they come from" in check["message"]
    )


def test_some_equal_by_chance__copies_are_found(split: Split) -> None:
    """Where a fifth of the rows equals another one by chance, copies beyond that are found all the same."""
    rng = np.random.default_rng(3)
    columns = {name: rng.zipf(1.4, 2_500) for name in ("a", "b")}
    rows = pl.DataFrame({**columns, TARGET: rng.integers(0, 2, 2_500)})
    train, test = rows[:2_000], rows[2_000:]

    clean, dirty = split(train, test), split(train, pl.concat([test, train[:200]]))

    assert clean.code == 0 and clean.report["metrics"]["overlap"]["by_chance"] > 0.2
    assert dirty.code == 1


def test_not_features__are_left_out(split: Split) -> None:
    """An identifier hides a copy unless it is named as none of the features."""
    train = TRAIN.with_columns(id=pl.int_range(2_000))
    test = pl.concat([TEST, TRAIN[:100]]).with_columns(id=pl.int_range(5_000, 5_600))

    assert by_id(split(train, test))["overlap"]["status"] == "passed"
    for option in ("--exclude", "--key"):
        assert by_id(split(train, test, option, "id"))["overlap"]["status"] == "failed"


def test_excluded_target__is_one_as_before(split: Split) -> None:
    """The target is no feature: to name it in exclude, as defaults for all stages may, changes nothing."""
    assert split(TRAIN, TEST, "--exclude", TARGET).report["checks"] == split(TRAIN, TEST).report["checks"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--maximum-overlap", "1.5"), "maximum-overlap must be from 0 to 1"),
        (("--key", "idd"), "no column `idd`"),
        (("--key", TARGET), "is the target"),
        (
            ("--exclude", "age,incom"),
            "exclude: neither train.parquet nor test.parquet has a column `incom` (did you mean `income`?)",
        ),
        (("--exclude", "income,debt,age,city,member"), "no feature in common"),
    ],
)
def test_options__that_decide_nothing(split: Split, arguments: tuple[str, ...], said: str) -> None:
    """Options that contradict each other, or that no column answers to, are refused."""
    run = split(TRAIN, TEST, *arguments)

    assert run.code == 2 and said in run.report["summary"]


def test_excluded_column__of_one_table(split: Split) -> None:
    """A column that only one table has can be excluded, and is not missed in the other."""
    for train, test in ((TRAIN.with_columns(id=1), TEST), (TRAIN, TEST.with_columns(id=1))):
        assert split(train, test, "--exclude", "id").code == 0


def test_tables__same_or_empty(split: Split) -> None:
    """Two tables that are the same rows, and one without rows, are refused."""
    assert "are the same rows" in split(TRAIN, TRAIN).report["summary"]
    assert "has no rows" in split(TRAIN, TEST[:0]).report["summary"]
