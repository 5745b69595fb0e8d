"""audit-fairness: whether the verdict survives another cut-off of the scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cd4ml.checks.fairness.decision import Decision, Limits
from cd4ml.checks.fairness.sweep import SweptPart, sweep, threshold_check
from cd4ml.data.predictions.score_counts import roundest
from cd4ml.metrics.fairness.rates import Reference
from cd4ml.metrics.fairness.threshold_sweep import cut_offs, groups_by_cut_off
from cd4ml.report import Status
from tests.conftest import Run
from tests.stages.audit_fairness.conftest import Audit, by_id

GATE = ("--threshold-sweep", "gate")


def scored(name: str, scores: list[float], cut: float = 0.5) -> pd.DataFrame:
    """Return rows with these scores, and what a cut-off decides."""
    values = np.repeat(scores, 100)
    return pd.DataFrame({"y_pred": (values >= cut).astype(int), "y_score": values, "sex": name})


# At 0.5 both groups are selected alike; at 0.53 half of the women are, and all of those men.
FRAGILE = (scored("f", [0.1, 0.49, 0.51, 0.6]), scored("m", [0.1, 0.49, 0.6, 0.6]))
FIRM = (scored("f", [0.1, 0.49, 0.51, 0.9]), scored("m", [0.1, 0.49, 0.51, 0.9]))


def points(run: Run) -> dict[float, tuple[float | None, str]]:
    """Return ratio and status by threshold."""
    found = run.report["metrics"]["threshold_sweep"]["sex"]["points"]
    return {point["threshold"]: (point["ratio"], point["status"]) for point in found}


def test_verdict_that_a_small_change_turns__blocks(audit: Audit) -> None:
    """Fair decisions at 0.5 that are unfair at 0.53 do not survive a margin of 0.05, and survive one of 0.005."""
    run = audit(*FRAGILE, arguments=GATE)
    check = by_id(run, "threshold-sweep:sex")
    assert (run.code, check["status"], check["value"], check["limit"]) == (1, "failed", 0.5, 0.8)
    assert "with thresholds from 0.45 to 0.55, the lowest ratio is 0.5000 (f, at 0.515" in check["message"]
    assert "The verdict at the present threshold, 0.5, stays the same from 0.05 to 0.51." in check["message"]
    assert "Bonferroni for 21 thresholds" in check["interval"]["method"] and check["interval"]["upper"] > 0.5

    assert audit(*FRAGILE, arguments=(*GATE, "--threshold-margin", "0.005")).code == 0
    assert audit(*FIRM, arguments=GATE).code == 0


def test_report__decides_nothing(audit: Audit) -> None:
    """`report` gives the curve and no check; by default nothing is swept."""
    run = audit(*FRAGILE, arguments=("--threshold-sweep", "report"))

    assert run.code == 0 and not any(check["id"].startswith("threshold") for check in run.report["checks"])
    assert points(run)[0.5] == (1.0, "passed") and points(run)[0.535] == (0.5, "failed")
    assert points(run)[0.95] == (None, "inconclusive")
    assert "threshold_sweep" not in audit(*FRAGILE).report["metrics"]


def test_scores_of_the_other_class(audit: Audit) -> None:
    """Where the favourable decision is the one of low scores, the cut-off is found from the other side."""
    tables = [table.assign(y_score=1 - table["y_score"]) for table in FRAGILE]
    run = audit(*tables, arguments=("--threshold-sweep", "report"))

    assert points(run)[0.5] == (1.0, "passed") and points(run)[0.465] == (0.5, "failed")


def test_weights_and_texts(audit: Audit) -> None:
    """Rows of weight 0 are not looked at, weights count, and labels may be texts."""
    tables = [table.assign(sample_weight=np.where(table["y_score"] == 0.51, 0.0, 1.0)) for table in FRAGILE]
    named = [table.assign(y_pred=table["y_pred"].map({1: "yes", 0: "no"})) for table in tables]
    run = audit(*named, arguments=(*GATE, "--positive-label", "yes", "--minimum-ratio", "0.6"))

    assert run.code == 0 and points(run)[0.55][0] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y_pred": [1, 0] * 400}, "does not follow from one cut-off"),
        ({"y_score": None}, "no column `y_score`"),
        ({}, "threshold-margin must be above 0"),
    ],
)
def test_refused(audit: Audit, change: dict[str, list[int] | None], said: str) -> None:
    """Decisions of several cut-offs, a table without scores and a margin of nothing are refused."""
    table = pd.concat(FRAGILE, ignore_index=True)
    table = table.drop(columns=[name for name, values in change.items() if values is None])
    table = table.assign(**{name: values for name, values in change.items() if values is not None})
    run = audit(table, arguments=(*GATE, *(() if change else ("--threshold-margin", "0"))))

    assert run.code == 2 and said in run.report["summary"]


def test_margin_in_which_nobody_is_selected__does_not_pass(audit: Audit) -> None:
    """Thresholds above all scores leave no ratio: that is inconclusive, not a pass."""
    run = audit(*FIRM, arguments=(*GATE, "--threshold-margin", "0.45"))

    check = by_id(run, "threshold-sweep:sex")
    assert (run.code, check["status"]) == (4, "inconclusive") and "value" not in check
    assert "nobody is selected from the reference group" in check["message"]


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0.4999, 0.5001, 0.5), (0.1, 0.9, 0.5), (0.31, 0.34, 0.325), (0.5, 0.7, 0.6), (-2, 3, 0)]
)
def test_cut_off__roundest(low: float, high: float, found: float) -> None:
    """The cut-off is the roundest number that tells the two decisions apart."""
    assert low < roundest(low, high) <= high and roundest(low, high) == pytest.approx(found, abs=0.011)


@pytest.mark.parametrize("decision", [Decision.EVIDENCE, Decision.STRICT])
def test_equal_groups__rarely_blamed(decision: Decision) -> None:
    """Of 60 audits of groups whose scores are alike, `evidence` fails none at any threshold but by chance (5 %)."""
    cuts, failed, limits = cut_offs(0.5, 0.05), 0, Limits(minimum_ratio=0.8, minimum_group_size=30, decision=decision)
    for seed in range(60):
        scores = np.random.default_rng(seed).random((3, 200))
        rows = [
            pd.DataFrame({"y_pred": np.searchsorted(cuts, one, side="right"), "sex": str(name)})
            for name, one in enumerate(scores)
        ]
        counts = pd.concat(rows).value_counts().reset_index(name="n")
        counts = counts.assign(weight=counts["n"].astype(float), squares=counts["n"].astype(float))
        part = SweptPart(name="sex", groups=groups_by_cut_off(counts, counts["sex"], len(cuts)), limits=limits)
        (found,) = sweep([part], cuts, Reference.BEST, present=0.5, margin=0.05)
        status = threshold_check(found).status
        failed += status is Status.FAILED if decision is Decision.EVIDENCE else status is Status.PASSED

    assert failed <= 3
