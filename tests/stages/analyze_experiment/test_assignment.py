"""The assignment comes first: what is wrong with it stops everything."""

from __future__ import annotations

import polars as pl
import pytest

from tests.stages.analyze_experiment.conftest import Analyze, by_id, units


def test_mismatch__stops_everything(analyze: Analyze) -> None:
    """8,050 against 8,400 units is a mismatch, with likely causes, and no metric is read, though one is better."""
    run = analyze(units(8_050, 8_400, lift=0.1))

    assert run.code == 1
    assert set(by_id(run)) == {"units", "sample-ratio"}
    check = by_id(run)["sample-ratio"]
    assert (check["reason"], round(check["value"], 6)) == ("sample-ratio-mismatch", 0.006355)
    assert "KDD '19" in check["advice"]
    assert "effects" not in run.report["metrics"]
    assert run.report["outputs"] == {"winner": "", "mismatch": "true"}


def test_unplanned_share__is_a_mismatch(analyze: Analyze) -> None:
    """Equal halves are no 90 to 10 split, and a 90 to 10 split is one."""
    assert analyze(units(), expected="control=0.9,new=0.1").code == 1
    run = analyze(units(2_700, 300), expected="control=90,new=10", metrics="revenue=mean")
    assert by_id(run)["sample-ratio"]["status"] == "passed"


def test_one_variant_alone__is_a_mismatch(analyze: Analyze) -> None:
    """A planned variant without a unit is a mismatch, not a comparison with nothing."""
    run = analyze(units(500, 0))

    assert run.code == 1
    assert by_id(run)["sample-ratio"]["reason"] == "sample-ratio-mismatch"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (pl.col("variant").replace("new", None), "missing-variant"),
        (pl.when(pl.col("user") == 7).then(pl.lit("b")).otherwise("variant").alias("variant"), "unknown-variant"),
        (pl.when(pl.col("user") == 7).then(None).otherwise("user").alias("user"), "missing-unit"),
        (pl.col("user").replace(7, 8), "repeated-units"),
        (pl.col("user").replace(7, 5_999), "units-in-several-variants"),
    ],
)
def test_faulty_rows__stop_everything(analyze: Analyze, change: pl.Expr, reason: str) -> None:
    """Rows without a planned variant or an id, and units with several rows, fail before any metric is read."""
    run = analyze(units(lift=0.1).with_columns(change), "--unit", "user")

    assert run.code == 1
    assert by_id(run)["units"]["reason"] == reason
    assert "effects" not in run.report["metrics"]


def test_sequential__ratio_is_read_by_its_own_test(analyze: Analyze) -> None:
    """Looking at the ratio again and again needs more evidence: 8,050 against 8,400 is not enough, 7,800 is."""
    arguments = ("--reading", "sequential", "--planned-units", "20000")

    assert by_id(analyze(units(8_050, 8_400), *arguments))["sample-ratio"]["status"] == "passed"
    assert by_id(analyze(units(7_800, 8_400), *arguments))["sample-ratio"]["status"] == "failed"
