"""Test rows that are training rows written in another way, or with one value changed."""

from __future__ import annotations

import polars as pl
import pytest

from tests.stages.check_split.conftest import TARGET, Split, applications, by_id

TRAIN, TEST = applications(2_000, 1), applications(500, 2)
COPIES = TRAIN[:60]


@pytest.mark.parametrize(
    "written",
    [
        pl.col("income") * (1 + 1e-6),
        pl.col("debt").round(4),
        pl.col("income").cast(pl.Float32).cast(pl.Float64),
        pl.col("city").str.to_uppercase(),
        (" " + pl.col("city") + "  ").alias("city"),
        pl.col("city").str.replace("t", "\N{FULLWIDTH LATIN SMALL LETTER T}"),
    ],
    ids=["noise", "rounded", "narrow", "case", "spaces", "unicode"],
)
def test_written_in_another_way__fails(split: Split, written: pl.Expr) -> None:
    """Copies whose numbers are rounded, or whose texts are written in another way, are found as nearly equal alone."""
    run = split(TRAIN, pl.concat([TEST, COPIES.with_columns(written)]))

    found = by_id(run)
    assert run.code == 1 and found["overlap"]["status"] == "passed"
    assert found["near-overlap"]["status"] == "failed" and found["near-overlap"]["option"] == ["maximum-near-overlap"]


@pytest.mark.parametrize("changed", ["income", "age", "city", "member"])
def test_one_other_value__fails(split: Split, changed: str) -> None:
    """Copies with any value in one column are found, and the message names the column."""
    other = TEST[changed].head(len(COPIES))
    test = pl.concat([TEST, COPIES.with_columns(other)])

    found = by_id(split(TRAIN, test, "--maximum-overlap", "1"))["all-but-one-overlap"]

    assert found["status"] == "failed" and f"all columns but `{changed}`" in found["message"]


def test_identifier__does_not_hide_copies(split: Split) -> None:
    """Copies with a new identifier that nobody declared are found, for all other columns are equal."""
    train = TRAIN.with_columns(id=pl.int_range(2_000))
    test = pl.concat([TEST, COPIES]).with_columns(id=pl.int_range(5_000, 5_560))

    run = split(train, test)

    assert run.code == 1 and "all columns but `id`" in by_id(run)["all-but-one-overlap"]["message"]


def test_new_rows__pass(split: Split) -> None:
    """Rows of the same origin pass, near ones by chance among them, and so does one feature alone."""
    assert split(TRAIN, TEST).code == 0
    one = ["debt", TARGET]
    assert split(TRAIN[one], TEST[one]).code == 0


def test_near__allowed(split: Split) -> None:
    """The limit decides how many nearly equal rows are allowed."""
    test = pl.concat([TEST, COPIES.with_columns(pl.col("income") * (1 + 1e-6))])

    assert split(TRAIN, test, "--maximum-near-overlap", "0.5").code == 0


def test_repeated_rows__fail(split: Split) -> None:
    """Test rows that repeat each other block, and the report says as how many they count."""
    run = split(TRAIN, pl.concat([TEST, TEST[:100], TEST[:100]]))

    check = by_id(run)["duplicates"]
    assert run.code == 1 and check["reason"] == "repeated-test-rows"
    # 400 rows once and 100 of them three times: 700 / (1 + 600 / 700)
    assert run.report["metrics"]["effective_test_rows"] == pytest.approx(700 / (1 + 600 / 700))
    assert "They count as 377 rows" in check["message"]


def test_repeated_rows__by_chance(split: Split) -> None:
    """Rows that repeat each other because a table has few values are no copies, and count fully."""
    few = ["city", "member", TARGET]

    run = split(TRAIN[few], TEST[few])

    assert run.code == 0 and run.report["metrics"]["effective_test_rows"] == 500
