"""Decisions that say how sure they are: what each mode must block, must pass, and must leave open."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cd4ml.checks.performance import evaluation as checked
from cd4ml.checks.performance.comparison import Support, comparison_check
from cd4ml.checks.performance.evaluation import Limits
from cd4ml.checks.performance.rule import Decision, Rule
from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.comparison import Comparison
from cd4ml.metrics.performance.evaluation import Evaluation, Result, Value
from cd4ml.report import Interval, Status
from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate, table
from tests.stages.evaluate_model.models import pair

NO_WORSE = ("--no-worse-than", "roc-auc=0.02")
TESTED = ("--not-significantly-worse", "roc-auc")


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


# --- no-worse-than


def test_no_worse_than__shown__passed(evaluate: Evaluate) -> None:
    """Equal models pass where the rows show that the loss is below the margin, with interval, method and limit."""
    run = evaluate(pair(20_000), *NO_WORSE)

    found = by_id(run, "regression:roc-auc")
    assert (run.code, found["status"], found["limit"], found["n"]) == (0, "passed", 0.02, 20_000)
    assert found["interval"]["lower"] > -0.02 and found["interval"]["method"] == "DeLong, paired"
    assert found["interval"]["confidence"] == pytest.approx(0.9)
    assert "With 95 % confidence the true loss is at most" in found["message"]


def test_no_worse_than__too_few__inconclusive(evaluate: Evaluate) -> None:
    """Equal models on 200 rows are undecided, and the number of rows named would decide."""
    run = evaluate(pair(200, seed=5), *NO_WORSE)

    found = by_id(run, "regression:roc-auc")
    assert (run.code, found["status"], found["reason"]) == (4, "inconclusive", "too-few-rows")
    needed = int(re.findall(r"About ([\d,]+) rows", found["advice"])[0].replace(",", ""))
    assert needed > 200
    assert evaluate(pair(2 * needed, seed=3), *NO_WORSE).code == 0


def test_no_worse_than__known_worse__failed(evaluate: Evaluate) -> None:
    """A model that is shown to lose more than the margin fails, it is not undecided."""
    run = evaluate(pair(5_000, loss=0.4), *NO_WORSE)

    found = by_id(run, "regression:roc-auc")
    assert (run.code, found["status"], found["reason"]) == (1, "failed", "regression")


def test_no_worse_than__loss_within_margin__passed(evaluate: Evaluate) -> None:
    """A model that is shown to be worse, but by less than the margin, passes: that loss is allowed."""
    frame = pair(20_000, loss=0.1)

    assert evaluate(frame, "--no-worse-than", "roc-auc=0.05").code == 0
    assert evaluate(frame, *TESTED).code == 1


def test_no_worse_than__loss__direction_of_better(evaluate: Evaluate) -> None:
    """For a loss, where smaller is better, more is what is bounded."""
    passed = evaluate(pair(20_000), "--no-worse-than", "brier=0.01")
    blocked = evaluate(pair(20_000, loss=0.4), "--no-worse-than", "brier=0.01")

    assert (passed.code, blocked.code) == (0, 1)
    assert by_id(blocked, "regression:brier")["interval"]["lower"] > 0


# --- not-significantly-worse


def test_not_significantly_worse(evaluate: Evaluate) -> None:
    """A loss of 2 points at n = 20,000 is blocked in every metric; a loss that may be chance passes."""
    metrics = ("--not-significantly-worse", "roc-auc,accuracy,f1,brier,log-loss,pr-auc")
    blocked = evaluate(pair(20_000, loss=0.2), *metrics)
    passed = evaluate(pair(1_000, seed=6), *metrics)

    for name in ("roc-auc", "accuracy", "f1", "brier", "log-loss", "pr-auc"):
        found = by_id(blocked, f"regression:{name}")
        assert (found["status"], found["reason"]) == ("failed", "significantly-worse")
    assert (blocked.code, passed.code) == (1, 0)
    assert "Not significantly worse (p = " in by_id(passed, "regression:f1")["message"]


@pytest.mark.parametrize("mode", [NO_WORSE, TESTED])
def test_few_of_a_class__inconclusive(evaluate: Evaluate, mode: tuple[str, ...]) -> None:
    """49 positives carry no test; the rows that would are named, and 50 do."""
    frame = pair(2_000, prevalence=0.05, seed=2).sort_values("y_true", ascending=False, ignore_index=True)
    few = pd.concat([frame.head(49), frame.tail(451)])
    enough = pd.concat([frame.head(50), frame.tail(450)])
    run = evaluate(few, *mode)

    found = by_id(run, "regression:roc-auc")
    assert (run.code, found["status"], found["reason"]) == (4, "inconclusive", "too-few-rows")
    assert "The rarer class has 49 rows" in found["message"]
    assert f"About {int(np.ceil(500 * 50 / 49))} rows" in found["advice"]
    assert "he rarer class" not in by_id(evaluate(enough, *mode), "regression:roc-auc")["message"]


def test_few_of_a_class__shown_failure__failed(evaluate: Evaluate) -> None:
    """A failure that 20 positives show is a failure: too few rows keep a model from passing, not from failing."""
    production = table(20, 0, 10, 190, production=None)
    frame = table(2, 18, 10, 190, production=None).assign(production_y_pred=production["y_pred"])
    run = evaluate(frame, "--not-significantly-worse", "recall")

    assert (run.code, by_id(run, "regression:recall")["status"]) == (1, "failed")


@pytest.mark.parametrize("decision", sorted(Decision))
def test_all_wrong_against_all_right__failed(evaluate: Evaluate, decision: str) -> None:
    """A model that is wrong on every row is blocked by a production model that is right on every row, though neither
    varies from row to row, whatever the metric and the decision, with and without weights."""
    y_true = np.array([0, 1] * 100)
    frame = pd.DataFrame({"y_true": y_true, "y_pred": 1 - y_true, "production_y_pred": y_true})
    names = ("accuracy", "balanced-accuracy", "recall", "precision", "f1", "f1-macro", "f1-weighted", "recall-macro")
    margins = ",".join(f"{name}=0.1" for name in names)
    modes = {
        Decision.POINT: ("--maximum-regression", margins),
        Decision.NO_WORSE_THAN: ("--no-worse-than", margins),
        Decision.NOT_SIGNIFICANTLY_WORSE: ("--not-significantly-worse", ",".join(names)),
    }
    for table_ in (frame, frame.assign(sample_weight=1.0)):
        run = evaluate(table_, *modes[Decision(decision)])
        found = {name: by_id(run, f"regression:{name}")["status"] for name in names}
        assert (run.code, set(found.values())) == (1, {"failed"}), found


def test_single_positive(evaluate: Evaluate) -> None:
    """Where one positive row tells nothing on how sure a difference is, tests are undecided and `point` decides."""
    frame = pd.DataFrame({"y_true": [1] + [0] * 99, "y_pred": [1, 0] * 50, "y_score": np.linspace(1, 0, 100)})
    frame = frame.assign(production_y_pred=frame["y_pred"], production_y_score=frame["y_score"].shift(-3).fillna(0))
    point = evaluate(frame, "--minimum", "roc-auc=0.5")
    tested = evaluate(frame, *TESTED)

    assert (point.code, "interval" in by_id(point, "regression:roc-auc")) == (0, False)
    assert (tested.code, by_id(tested, "regression:roc-auc")["status"]) == (4, "inconclusive")


def test_floor_is_not_for_point(evaluate: Evaluate) -> None:
    """Today's behaviour decides by the point value on few rows as well."""
    run = evaluate(table(20, 5, 5, 70, production=(18, 7, 5, 70)), "--minimum", "accuracy=0.5")

    assert (run.code, by_id(run, "regression:accuracy")["status"]) == (0, "passed")


# --- which mode, and several metrics


def test_decision__default_of_all(evaluate: Evaluate) -> None:
    """`comparison` sets the mode of every metric, and the options of single metrics stand above it."""
    frame = pair(1_000, seed=6)
    run = evaluate(
        frame,
        "--comparison",
        "not-significantly-worse",
        "--minimum",
        "accuracy=0.5,f1=0.2",
        "--no-worse-than",
        "f1=0.5",
    )

    assert by_id(run, "regression:accuracy")["limit"] == "not significantly worse"
    assert by_id(run, "regression:f1")["limit"] == 0.5


def test_decision__no_worse_than__margin_is_maximum_regression(evaluate: Evaluate) -> None:
    """With `comparison: no-worse-than` the losses allowed are those of maximum-regression."""
    run = evaluate(pair(20_000), "--comparison", "no-worse-than", "--maximum-regression", "roc-auc=0.02")

    assert (run.code, by_id(run, "regression:roc-auc")["limit"]) == (0, 0.02)


def fake(name: str, p_worse: float, n: int = 1_000) -> Result:
    """Return a comparison that lost 0.01 with a p-value."""
    metric = METRICS[name]
    difference = -0.01 if metric.greater_is_better else 0.01
    interval = Interval(lower=difference - 0.02, upper=difference + 0.02, confidence=0.9, method="made up")
    compared = Comparison(
        metric=metric,
        candidate=0.8 + difference,
        production=0.8,
        difference=difference,
        standard_error=0.01,
        interval=interval,
        p_worse=p_worse,
        n=n,
    )
    return Result(metric=metric, candidate=Value(value=0.79), production=Value(value=0.8), comparison=compared)


def statuses(p_values: dict[str, float], primary: str | None = None) -> dict[str, str]:
    """Return the verdict on each metric."""
    results = {name: fake(name, p) for name, p in p_values.items()}
    evaluation = Evaluation(n=1_000, positives=500, results=results, slice={})
    return {
        found.metric or "": str(found.status) for found in checked.metric_checks(evaluation, limits(p_values, primary))
    }


def limits(names: dict[str, float], primary: str | None = None) -> Limits:
    """Return limits that test each metric."""
    rules = {name: Rule(decision=Decision.NOT_SIGNIFICANTLY_WORSE) for name in names}
    return Limits(minimum={}, maximum={}, rules=rules, primary=primary, minimum_rows=30, class_floor=50)


def test_holm__several_metrics() -> None:
    """Of four tests one at 0.03 is chance, one at 0.01 is not; the primary metric is tested alone."""
    p_values = {"accuracy": 0.03, "f1": 0.3, "brier": 0.5, "roc-auc": 0.6}

    assert set(statuses(p_values).values()) == {"passed"}
    assert statuses({**p_values, "accuracy": 0.012})["accuracy"] == "failed"
    assert statuses(p_values, primary="accuracy")["accuracy"] == "failed"
    assert statuses({**p_values, "f1": 0.02}, primary="accuracy")["f1"] == "passed"
    assert statuses({**p_values, "f1": 0.016}, primary="accuracy")["f1"] == "failed"


def test_holm__over_slices() -> None:
    """Tests on slices share one level: 0.03 in one of ten slices is chance, 0.004 is not."""
    for p_value, status in ((0.03, "passed"), (0.004, "failed")):
        evaluations = [
            Evaluation(n=1_000, positives=500, results={"f1": fake("f1", p)}, slice={"region": str(index)})
            for index, p in enumerate([p_value, *[0.5] * 9])
        ]
        found = list(checked.slice_checks(evaluations, limits({"f1": 0.0})))
        assert [str(one.status) for one in found] == [status, *["passed"] * 9]
        assert found[0].id == "regression:f1:region=0" and found[0].slice == {"region": "0"}
        assert "; 10 tests)" in found[0].message


@given(
    st.sampled_from(sorted(Decision)),
    st.floats(-0.2, 0.2),
    st.floats(1e-4, 0.2),
    st.floats(0.001, 0.1),
    st.integers(0, 200),
)
def test_shown_failure__never_inconclusive(
    decision: Decision, gain: float, error: float, margin: float, smaller: int
) -> None:
    """Whatever the rule and however few the rows: a loss beyond what is allowed that is shown is a failure, and what
    passes a margin is shown to be within it."""
    from scipy.special import ndtr

    half = 1.6448536269514722 * error
    compared = Comparison(
        metric=METRICS["roc-auc"],
        candidate=0.7 + gain,
        production=0.7,
        difference=gain,
        standard_error=error,
        interval=Interval(lower=gain - half, upper=gain + half, confidence=0.9, method="normal"),
        p_worse=float(ndtr(gain / error)),
        n=400,
    )
    support = Support(n=400, smaller_class=smaller, minimum_rows=30, class_floor=50)
    status = comparison_check(Rule(decision=decision, tolerance=margin), compared, support).status

    if gain + half < -margin:
        assert status is Status.FAILED
    if decision is Decision.NO_WORSE_THAN and status is Status.PASSED:
        assert gain - half > -margin and smaller >= 50
    if decision is not Decision.POINT and gain > 0:
        assert status is not Status.FAILED


PROBLEMS: dict[str, tuple[tuple[str, ...], str]] = {
    "margin-of-0": (("--no-worse-than", "roc-auc=0"), "a loss above 0"),
    "no-margin": (("--comparison", "no-worse-than", "--minimum", "roc-auc=0.5"), "a loss above 0"),
    "two-modes": ((*NO_WORSE, *TESTED), "both no-worse-than and not-significantly-worse"),
    "two-margins": ((*NO_WORSE, "--maximum-regression", "roc-auc=0.1"), "which loss is allowed"),
    "unused-margin": ((*TESTED, "--maximum-regression", "roc-auc=0.1"), "unused by"),
    "unknown": (("--not-significantly-worse", "rocauc"), "did you mean `roc_auc`"),
    "primary-by-point": (("--minimum", "f1=0.1", "--primary-metric", "f1"), "by its point value"),
    "biased": (("--no-worse-than", "calibration-error=0.01"), "inflated by chance"),
    "quantile": (("--minimum", "f1=0.1", "--quantile", "1"), "between 0 and 1"),
    "bins-of-nothing": (("--minimum", "f1=0.1", "--slice-bins", "age=3"), "not a slice column"),
    "bins-falling": (("--minimum", "f1=0.1", "--slices", "age", "--slice-bins", "age=3:2"), "do not increase"),
    "bins-of-text": (("--minimum", "f1=0.1", "--slices", "age", "--slice-bins", "age=a"), "expected a number"),
    "no-mode": (("--comparison", "maybe", "--minimum", "f1=0.1"), "expected one of"),
    "own-name-taken": (("--custom-metrics", "f1=own:f1", "--minimum", "f1=0.1"), "exist already"),
}


@pytest.mark.parametrize(("arguments", "words"), PROBLEMS.values(), ids=PROBLEMS)
def test_bad_options__refused(evaluate: Evaluate, arguments: tuple[str, ...], words: str) -> None:
    """Modes that contradict each other, decide nothing or cannot be held are refused."""
    run = evaluate(pair(200), *arguments)

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["checks"][0]["message"]


# --- what reports show


def test_report__every_check_says_how_sure(evaluate: Evaluate, tmp_path: Path) -> None:
    """Every limit and every comparison comes with an interval that holds the value, and with what the rows can see."""
    pair(3_000, seed=5).drop(columns=["production_y_pred", "production_y_score"]).to_parquet(tmp_path / "train.parquet")
    names = [name for name, metric in METRICS.items() if "binary" in metric.tasks]
    better = ",".join(f"{name}=0" for name in names if METRICS[name].greater_is_better)
    worse = ",".join(
        f"{name}={min(9, METRICS[name].highest):g}" for name in names if not METRICS[name].greater_is_better
    )
    allowed = ",".join(f"{name}={0.9 * min(1, METRICS[name].highest - METRICS[name].lowest):g}" for name in names)
    gaps = ("--maximum-gap", allowed, "--train-predictions", "train.parquet")
    run = evaluate(pair(1_000, seed=4), "--minimum", better, "--maximum", worse, "--maximum-regression", allowed, *gaps)

    assert run.code == 0
    for found in run.report["checks"]:
        if "metric" not in found or found["metric"] == "rows":
            continue
        interval, kind = found["interval"], found["id"].split(":")[0]
        assert interval["of"] == ("difference" if kind == "regression" else "value"), found["id"]
        value = found["value"] - found["baseline"] if interval["of"] == "difference" else found["value"]
        assert interval["lower"] <= value <= interval["upper"], found["id"]
        assert interval["lower"] < interval["upper"] and interval["method"]
        assert kind == "gap" or found["n"] == 1_000
        assert ("detected 4 times in 5" in found["message"]) is (kind == "regression")
    assert set(run.report["metrics"]["comparisons"]) == set(names)
    assert all(found["detectable_loss"] > 0 for found in run.report["metrics"]["comparisons"].values())


def test_report__detectable_loss(evaluate: Evaluate) -> None:
    """What the rows can see halves with four times the rows."""
    sights = [
        evaluate(pair(n), *TESTED).report["metrics"]["comparisons"]["roc-auc"]["detectable_loss"]
        for n in (2_000, 8_000)
    ]

    assert sights[0] / sights[1] == pytest.approx(2, rel=0.15)


def test_report__curves_are_bounded(evaluate: Evaluate) -> None:
    """Curves of 20,000 rows are at most 200 points each, rise as they must, and keep their ends."""
    run = evaluate(pair(20_000), "--minimum", "roc-auc=0.5", "--maximum-regression", "roc-auc=0.9")

    for model in ("candidate", "production"):
        curves = run.report["details"]["curves"][model]
        assert {name: len(curve) for name, curve in curves.items()} == {"roc": 3, "pr": 3, "calibration": 3}
        for curve in curves.values():
            assert all(2 <= len(points) <= 200 for points in curve.values())
        roc = curves["roc"]
        assert roc["false_positive_rate"] == sorted(roc["false_positive_rate"])
        assert (roc["false_positive_rate"][-1], roc["true_positive_rate"][-1]) == (1, 1)
        assert curves["pr"]["recall"][-1] == 1
        assert sum(curves["calibration"]["weight"]) == pytest.approx(20_000, rel=1e-3)
        steps = np.array(curves["calibration"]["mean_score"]) - curves["calibration"]["share_of_positives"]
        assert np.abs(steps).mean() < 0.03
    area = np.trapezoid(
        [0, *run.report["details"]["curves"]["candidate"]["roc"]["true_positive_rate"]],
        [0, *run.report["details"]["curves"]["candidate"]["roc"]["false_positive_rate"]],
    )
    assert area == pytest.approx(run.report["metrics"]["candidate"]["roc-auc"], abs=0.002)


def test_report__seed(evaluate: Evaluate) -> None:
    """The same seed gives the same numbers; another seed moves bootstrapped intervals a little."""
    frame, arguments = pair(500), ("--not-significantly-worse", "f1")
    first, again = (evaluate(frame, *arguments, "--seed", "7").report for _ in range(2))
    other = evaluate(frame, *arguments, "--seed", "8").report

    assert (first["checks"], first["seed"]) == (again["checks"], 7)
    assert first["checks"] != other["checks"]


def test_gap__interval(evaluate: Evaluate, tmp_path: Path) -> None:
    """The gap between training and test rows has an interval, in the direction in which training is better."""
    train = pair(2_000, seed=5).assign(y_pred=lambda frame: frame["y_true"]).drop(columns="production_y_pred")
    train.drop(columns="production_y_score").to_parquet(tmp_path / "train.parquet")
    arguments = ("--maximum-gap", "accuracy=0.5,brier=0.5", "--train-predictions", "train.parquet")
    run = evaluate(pair(1_000, seed=4), *arguments, "--maximum-regression", "accuracy=0.9,brier=0.9")

    found = by_id(run, "gap:accuracy")
    assert found["interval"]["method"] == "Newcombe"
    assert 0 < found["interval"]["lower"] < found["value"] < found["interval"]["upper"]
    assert by_id(run, "gap:brier")["interval"]["lower"] < by_id(run, "gap:brier")["value"]
