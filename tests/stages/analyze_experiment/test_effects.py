"""Which variant is better, guardrails, and what is still needed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.stages.analyze_experiment.conftest import Analyze, by_id, units

EVERY = "converted=proportion,revenue=mean,ctr=ratio:clicks/views,p90=quantile:0.9@latency"


def test_better__passes(analyze: Analyze) -> None:
    """A variant that is better in every metric of every kind wins, and the output names it."""
    run = analyze(units(lift=0.1), "--lower-is-better", "p90", "--unit", "user", metrics=EVERY)

    assert run.code == 0, run.stdout + run.stderr
    assert run.report["outputs"] == {"winner": "new", "mismatch": "false"}
    assert run.report["summary"].startswith("new is better than control.")
    assert all(check["status"] == "passed" for check in run.report["checks"])
    converted = by_id(run)["effect:converted:new"]
    assert (converted["value"], converted["baseline"], converted["n"]) == (pytest.approx(0.3), pytest.approx(0.2), 6000)
    assert converted["interval"]["of"] == "difference"


def test_worse__fails(analyze: Analyze) -> None:
    """A variant that is shown to be worse fails, also where less is better."""
    worse = by_id(analyze(units(lift=-0.1)))["effect:converted:new"]
    slower = by_id(
        analyze(units(lift=-0.3, control=500, new=500), "--lower-is-better", "latency", metrics="latency=mean")
    )

    assert (worse["status"], worse["reason"]) == ("failed", "worse")
    assert (slower["effect:latency:new"]["status"], slower["effect:latency:new"]["reason"]) == ("failed", "worse")


def test_undecided__says_what_is_still_needed(analyze: Analyze) -> None:
    """A difference that chance explains is inconclusive, with the units and days that the minimum effect needs."""
    small = by_id(analyze(units(500, 500, lift=0.01), "--minimum-effect", "converted=0.05", "--days", "6"))
    needed = small["effect:converted:new"]
    assert needed["reason"] == "no-difference-shown"
    assert "more units, " in needed["advice"] and "days at this rate" in needed["advice"]


def test_below_minimum_effect__fails(analyze: Analyze) -> None:
    """Where the interval rules out the smallest effect that matters, waiting is no answer."""
    run = analyze(units(20_000, 20_000), "--minimum-effect", "converted=0.03")

    assert by_id(run)["effect:converted:new"]["reason"] == "below-minimum-effect"


def test_below_minimum_effect__fails_also_where_it_is_significant(analyze: Analyze) -> None:
    """A shown improvement that is shown to be less than the smallest one that matters does not win."""
    run = analyze(units(20_000, 20_000, lift=0.02), "--minimum-effect", "converted=0.05")
    check = by_id(run)["effect:converted:new"]

    assert (run.code, check["reason"], run.report["outputs"]["winner"]) == (1, "below-minimum-effect", "")
    assert check["interval"]["lower"] > 0


@pytest.mark.parametrize(("share", "read"), [("0.95", True), ("0.999", False), ("0.001", False)])
def test_quantile__needs_units_beyond_it(analyze: Analyze, share: str, read: bool) -> None:
    """Where too few units lie beyond a quantile for its interval, it is inconclusive, however large the difference."""
    table = units(500, 500, lift=0.5)
    check = by_id(analyze(table, "--lower-is-better", "q", metrics=f"q=quantile:{share}@latency"))["effect:q:new"]

    assert (check.get("reason") != "too-few-units-beyond-quantile") is read
    assert read or check["status"] == "inconclusive"


@pytest.mark.parametrize(("limit", "status"), [("20", "passed"), ("9", "failed"), ("14.9", "inconclusive")])
def test_guardrail(analyze: Analyze, limit: str, status: str) -> None:
    """A loss is allowed only if the interval rules out more than its limit; here latency rises by 15."""
    table = units(lift=0.1).with_columns(
        latency=pl.col("latency") + pl.when(pl.col("variant") == "new").then(25.0).otherwise(0.0)
    )
    arguments = ("--guardrails", f"latency={limit}", "--lower-is-better", "latency")
    run = analyze(table, *arguments, metrics="converted=proportion,latency=mean")

    assert by_id(run)["guardrail:latency:new"]["status"] == status
    assert by_id(run)["effect:converted:new"]["status"] == "passed"
    assert run.report["outputs"]["winner"] == ("new" if status == "passed" else "")


def test_covariate__narrows_the_interval(analyze: Analyze) -> None:
    """CUPED finds in 600 units what the metric alone does not show, and says how much of the variance is gone."""
    table = units(300, 300, lift=0.08, seed=3)
    alone = by_id(analyze(table, metrics="revenue=mean"))["effect:revenue:new"]
    helped = by_id(analyze(table, "--covariates", "revenue=revenue_before", metrics="revenue=mean"))[
        "effect:revenue:new"
    ]

    assert (alone["status"], helped["status"]) == ("inconclusive", "passed")
    assert "CUPED removed 89.4 % of the variance" in helped["message"]


def test_covariate__of_the_time_after_is_refused(analyze: Analyze) -> None:
    """A covariate that the variant changes would take its effect away: it fails."""
    table = units(lift=0.1)
    run = analyze(table, "--covariates", "revenue=clicks", metrics="revenue=mean")

    assert by_id(run)["covariate:revenue:new"]["reason"] == "covariate-differs"
    assert run.code == 1


def test_several_variants__a_loser_does_not_hide_the_winner(analyze: Analyze) -> None:
    """One of two variants wins, the other loses: the winner's checks decide, and both verdicts are in the report."""
    good, bad = units(lift=0.1), units(lift=-0.1, seed=2).filter(pl.col("variant") == "new")
    table = pl.concat([good, bad.with_columns(variant=pl.lit("other"))])
    run = analyze(table, expected="control=1,new=1,other=1")

    assert run.code == 0
    assert run.report["outputs"]["winner"] == "new"
    assert run.report["metrics"]["verdicts"] == {"new": "passed", "other": "failed"}
    assert "after Holm's correction for 2 tests" in by_id(run)["effect:converted:new"]["message"]


def test_several_variants__all_lose(analyze: Analyze) -> None:
    """Where every variant loses, the experiment fails with the checks of all."""
    bad = units(lift=-0.1)
    table = pl.concat([bad, bad.filter(pl.col("variant") == "new").with_columns(variant=pl.lit("other"))])
    run = analyze(table, expected="control=1,new=1,other=1")

    assert run.code == 1
    assert {"effect:converted:new", "effect:converted:other"} < set(by_id(run))


def test_reports__say_the_same_everywhere(analyze: Analyze) -> None:
    """The summary's sentence is the deciding check's, whose numbers are those of the report's metrics."""
    run = analyze(units(lift=0.1))
    effect, check = run.report["metrics"]["effects"]["converted"]["new"], by_id(run)["effect:converted:new"]

    assert check["message"] in run.report["summary"]
    assert (effect["lower"], effect["upper"]) == (check["interval"]["lower"], check["interval"]["upper"])
    assert np.isclose(effect["difference"], check["value"] - check["baseline"])
