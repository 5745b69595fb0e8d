"""The test later than the training, and features known before their label."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Run
from tests.stages.check_split.conftest import TARGET, Split, applications, by_id

START = datetime(2026, 1, 1)
TRAIN = applications(400, 1).with_columns(at=START + timedelta(days=1) * pl.int_range(400))
TEST = applications(100, 2).with_columns(at=START + timedelta(days=1) * pl.int_range(399, 499))


def test_later__passes(split: Split) -> None:
    """A test that begins when the training ends passes."""
    run = split(TRAIN, TEST, "--time", "at")

    assert run.code == 0 and by_id(run)["time-overlap:at"]["value"] == 0


@pytest.mark.parametrize("kind", [pl.Datetime("ms"), pl.Datetime("us", "UTC"), pl.Date, pl.String, pl.Int64])
def test_earlier__fails(split: Split, kind: pl.DataType) -> None:
    """Test rows before the latest training row block, however times are stored; it says how many, and by how much."""
    stored = pl.col("at").cast(pl.Datetime("us", "UTC") if kind == pl.Datetime("us", "UTC") else pl.Datetime("us"))
    train = TRAIN.with_columns(stored.cast(kind))
    early = TEST.with_columns(pl.col("at") - timedelta(days=3)).with_columns(stored.cast(kind))

    run = split(train, early, "--time", "at")

    check = by_id(run)["time-overlap:at"]
    assert run.code == 1 and "3 of 100 test rows" in check["message"] and check["value"] == pytest.approx(0.03)
    assert ("3 days" in check["message"]) is (kind != pl.Int64)
    assert split(train, early, "--time", "at", "--maximum-time-overlap", "0.05").code == 0


def test_texts_and_times__are_compared(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Times of a CSV file, which are texts, are compared with those of a Parquet file."""
    TRAIN.write_parquet(tmp_path / "train.parquet")
    shown = pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    TEST.with_columns(pl.col("at") - timedelta(hours=5)).with_columns(shown).write_csv(tmp_path / "test.csv")

    run = cd4ml(
        *("check-split", "--train-data", "train.parquet", "--test-data", "test.csv", "--target", TARGET, "--time", "at")
    )

    assert run.code == 1 and "1 of 100 test rows" in run.report["summary"] and "5.0 hours" in run.report["summary"]


@pytest.mark.parametrize("bad", [None, "yesterday"])
def test_no_time__is_an_error(split: Split, bad: str | None) -> None:
    """A row without a time, or with a text that is none, is an error: nobody knows whether it is earlier."""
    shown = TEST.with_columns(pl.col("at").dt.strftime("%Y-%m-%d"))
    spoilt = shown.with_columns(pl.when(pl.int_range(pl.len()) == 5).then(pl.lit(bad)).otherwise("at").alias("at"))

    run = split(TRAIN, spoilt, "--time", "at")

    assert run.code == 2 and "test.parquet: `at` holds no time in 1 of 100 rows" in run.report["summary"]


@pytest.mark.parametrize("other", [pl.Series("at", range(100)), pl.Series("at", [True] * 100)])
def test_other_type__is_refused(split: Split, other: pl.Series) -> None:
    """A column that holds times in one table and something else in the other is refused."""
    run = split(TRAIN, TEST.with_columns(other), "--time", "at")

    assert run.code == 2 and "`at` holds no times that can be compared" in run.report["summary"]


@pytest.mark.parametrize(("days", "code"), [(0, 0), (-2, 0), (1, 1)])
def test_late_feature__fails(split: Split, days: int, code: int) -> None:
    """A feature that became known after the time of its label blocks; one known by then passes."""
    train, test = (
        rows.with_columns(decided=pl.col("at").dt.date(), known=pl.col("at").dt.date()) for rows in (TRAIN, TEST)
    )
    shifted = pl.col("known") + timedelta(days=days)
    test = test.with_columns(pl.when(pl.int_range(pl.len()) == 7).then(shifted).otherwise("known").alias("known"))

    run = split(train, test, "--feature-times", "known", "--label-time", "decided")

    check = by_id(run)["late-feature:known"]
    assert run.code == code
    assert (check.get("reason") == "feature-after-label" and "1 of 500 rows" in check["message"]) is (code == 1)


@pytest.mark.parametrize(
    ("missing", "share", "code"), [(3, "1.2 %", 0), (150, "50.0 %", 0), (151, "50.2 %", 4), (400, "100.0 %", 4)]
)
def test_feature_times__that_nobody_knows(split: Split, missing: int, share: str, code: int) -> None:
    """Rows that do not say when a feature became known are counted; if most do not, the verdict stays open."""
    train, test = (
        rows.with_columns(
            known=pl.when(pl.int_range(pl.len()) < min(missing, limit)).then(None).otherwise(date(2025, 1, 1))
        )
        for rows, limit in ((TRAIN, 400), (TEST, 100))
    )
    missing = min(missing, 400) + min(missing, 100)

    run = split(train, test, "--feature-times", "known", "--time", "at")

    assert run.code == code
    assert f"`known` holds no time in {missing} rows ({share}" in by_id(run)["late-feature:known"]["message"]


def test_time_that_is_a_feature_time__is_needed(split: Split) -> None:
    """A row without its own time is an error, also where that time is a feature's as well."""
    test = TEST.with_columns(pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("at").alias("at"))

    run = split(TRAIN, test, "--feature-times", "at", "--time", "at")

    assert run.code == 2 and "`at` holds no time in 1 of 100 rows" in run.report["summary"]


@pytest.mark.parametrize("arguments", [("--feature-times", "at"), ("--label-time", "at")])
def test_options__one_without_the_other(split: Split, arguments: tuple[str, ...]) -> None:
    """Times of features need the time of the label, and the other way round."""
    run = split(TRAIN, TEST, *arguments)

    assert run.code == 2 and "label-time" in run.report["summary"]
