"""evaluate-model: what it must block, what it must pass, and what it must refuse to judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.data.predictions.table import read_predictions, write_predictions
from cd4ml.data.tables.opening import open_table
from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.metric import Task
from cd4ml.report import InputDigest, ModelIdentity
from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate, table

GOOD = table(45, 5, 5, 45)
WORSE = table(35, 15, 10, 40)


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


def scored(n: int = 200, *, quality: float = 2.0, seed: int = 0) -> pd.DataFrame:
    """Return a table with scores of a candidate of the given quality, and of production of quality 1."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, n)
    score = 1 / (1 + np.exp(-(quality * (2 * y_true - 1) + rng.normal(size=n))))
    other = 1 / (1 + np.exp(-(1.0 * (2 * y_true - 1) + rng.normal(size=n))))
    return pd.DataFrame(
        {
            "y_true": y_true,
            "y_pred": (score > 0.5).astype(int),
            "y_score": score,
            "production_y_pred": (other > 0.5).astype(int),
            "production_y_score": other,
        }
    )


# --- thresholds


def test_better_model__passed(evaluate: Evaluate) -> None:
    """A candidate above its thresholds and above production passes; the report holds the numbers and the matrix."""
    run = evaluate(GOOD, "--minimum", "accuracy=0.85", "--minimum", "precision=0.9")

    assert (run.code, run.report["status"]) == (0, "passed")
    assert run.report["metrics"]["candidate"] == {"accuracy": 0.9, "precision": 0.9}
    assert run.report["metrics"]["production"] == {"accuracy": 0.8, "precision": 0.8}
    assert run.report["details"]["confusion_matrix"] == {"labels": ["0", "1"], "counts": [[45, 5], [5, 45]]}
    assert run.report["details"]["production_confusion_matrix"]["counts"] == [[40, 10], [10, 40]]
    assert run.report["details"]["class_counts"] == {"0": 50, "1": 50}
    assert by_id(run, "regression:accuracy")["baseline"] == 0.8


def test_below_minimum__failed(evaluate: Evaluate) -> None:
    """A metric below its minimum blocks, with value, limit and n."""
    run = evaluate(GOOD, "--minimum", "accuracy=0.91")

    check = by_id(run, "minimum:accuracy")
    assert (run.code, run.report["status"], check["reason"]) == (1, "failed", "below-minimum")
    assert (check["value"], check["limit"], check["n"]) == (0.9, 0.91, 100)


def test_above_maximum__failed(evaluate: Evaluate) -> None:
    """A loss above its maximum blocks, and one below passes."""
    blocked = evaluate(scored(quality=0.1), "--maximum", "log-loss=0.3", "--maximum-regression", "log-loss=9")
    passed = evaluate(scored(quality=3), "--maximum", "log-loss=0.3")

    assert (blocked.code, by_id(blocked, "maximum:log-loss")["reason"]) == (1, "above-maximum")
    assert (passed.code, passed.report["status"]) == (0, "passed")


def test_at_the_limit__passed(evaluate: Evaluate) -> None:
    """48 of 60 are 0.8, whatever binary fractions make of it; 47 of 60 are not."""
    at = table(24, 6, 6, 24, production=(20, 10, 10, 20))
    below = table(23, 7, 6, 24, production=(20, 10, 10, 20))

    assert evaluate(at, "--minimum", "accuracy=0.8").code == 0
    assert evaluate(below, "--minimum", "accuracy=0.8").code == 1


# --- against production


def test_known_worse_model__failed(evaluate: Evaluate) -> None:
    """A candidate that meets its thresholds and is worse than production blocks, without any further option."""
    run = evaluate(WORSE, "--minimum", "accuracy=0.7")

    check = by_id(run, "regression:accuracy")
    assert (run.code, run.report["status"]) == (1, "failed")
    assert by_id(run, "minimum:accuracy")["status"] == "passed"
    assert (check["reason"], check["value"], check["baseline"], check["limit"]) == ("regression", 0.75, 0.8, 0.0)


@pytest.mark.parametrize(("tolerance", "code"), [("0.05", 0), ("0.049", 1), ("0", 1)])
def test_tolerance(evaluate: Evaluate, tolerance: str, code: int) -> None:
    """A loss up to the tolerance passes (0.80 - 0.75 is 0.05), one beyond blocks."""
    run = evaluate(WORSE, "--minimum", "accuracy=0.7", "--maximum-regression", f"accuracy={tolerance}")

    assert run.code == code


def test_tolerance_of_one_metric__others_may_lose_nothing(evaluate: Evaluate) -> None:
    """A tolerance for one metric is none for another."""
    run = evaluate(WORSE, "--minimum", "accuracy=0.7,recall=0.7", "--maximum-regression", "accuracy=0.05")

    assert (run.code, by_id(run, "regression:accuracy")["status"]) == (1, "passed")
    assert by_id(run, "regression:recall")["status"] == "failed"


def test_loss_grows__failed(evaluate: Evaluate) -> None:
    """For a metric that is better when smaller, more is a regression."""
    worse = scored(quality=0.3)
    run = evaluate(worse, "--maximum", "brier=0.9")

    assert (run.code, by_id(run, "regression:brier")["reason"]) == (1, "regression")
    assert evaluate(scored(quality=2), "--maximum", "brier=0.9").code == 0


def test_gap_alone__regression_still_checked(evaluate: Evaluate, tmp_path: Path) -> None:
    """A metric that only a gap names may not regress either."""
    GOOD.assign(y_pred=GOOD["y_true"]).to_parquet(tmp_path / "train.parquet")
    run = evaluate(WORSE, "--maximum-gap", "accuracy=0.9", "--train-predictions", "train.parquet")

    assert (run.code, by_id(run, "regression:accuracy")["status"]) == (1, "failed")


def test_no_production__refused(evaluate: Evaluate) -> None:
    """A table without production's predictions is refused, and the advice names bootstrap."""
    run = evaluate(table(45, 5, 5, 45, production=None), "--minimum", "accuracy=0.8")

    assert (run.code, run.report["status"]) == (2, "error")
    assert "bootstrap: true" in run.report["checks"][0]["advice"]


def test_no_production__bootstrap_recorded(evaluate: Evaluate) -> None:
    """A declared first release is held to its thresholds alone, and the report says so."""
    frame = table(45, 5, 5, 45, production=None)
    passed = evaluate(frame, "--minimum", "accuracy=0.8", "--bootstrap", "true")
    blocked = evaluate(frame, "--minimum", "accuracy=0.95", "--bootstrap", "true")

    assert passed.code == 0
    assert "First release" in by_id(passed, "bootstrap")["message"]
    assert passed.report["metrics"]["production"] is None
    assert blocked.code == 1


def test_bootstrap__production_there__still_compared(evaluate: Evaluate) -> None:
    """A bootstrap that was left on does not switch the comparison off."""
    run = evaluate(WORSE, "--minimum", "accuracy=0.7", "--bootstrap", "true")

    assert (run.code, by_id(run, "regression:accuracy")["status"]) == (1, "failed")


@pytest.mark.parametrize("bootstrap", ["true", "false"])
def test_production_half_there__refused(evaluate: Evaluate, bootstrap: str) -> None:
    """Production's decisions missing in some rows, or scores without decisions, are no first release."""
    some = GOOD.assign(production_y_pred=GOOD["production_y_pred"].where(GOOD.index > 0))
    scores = scored().drop(columns="production_y_pred")
    for frame in (some, scores):
        run = evaluate(frame, "--minimum", "accuracy=0.5", "--bootstrap", bootstrap)
        assert (run.code, run.report["status"]) == (2, "error")


def test_production_named_but_not_there__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A table that was made with a production model and lost its column is no first release."""
    model = ModelIdentity(uri="a", sha256="0" * 64)
    other = ModelIdentity(uri="b", sha256="1" * 64)
    frame = table(45, 5, 5, 45, production=None)
    write_predictions(frame, tmp_path / "p.parquet", candidate=model, production=other)
    run = cd4ml("evaluate-model", "--predictions", "p.parquet", "--minimum", "accuracy=0.5", "--bootstrap", "true")

    assert (run.code, run.report["status"]) == (2, "error")


def test_identical_predictions__failed(evaluate: Evaluate) -> None:
    """A candidate that predicts as production on every row blocks: it is likely compared with itself."""
    same = GOOD.assign(production_y_pred=GOOD["y_pred"])
    blocked = evaluate(same, "--minimum", "accuracy=0.8")
    allowed = evaluate(same, "--minimum", "accuracy=0.8", "--allow-identical", "true")

    assert (blocked.code, by_id(blocked, "different-predictions")["reason"]) == (1, "identical-predictions")
    assert allowed.code == 0


def test_same_decisions_other_scores__passed(evaluate: Evaluate) -> None:
    """A candidate that decides as production and scores otherwise is another model."""
    frame = scored()
    frame["production_y_pred"] = frame["y_pred"]
    run = evaluate(frame.assign(production_y_score=frame["y_score"] / 2), "--maximum", "log-loss=9")

    assert (run.code, by_id(run, "different-predictions")["status"]) == (0, "passed")


# --- overfitting


@pytest.mark.parametrize(("limit", "code"), [("0.1", 0), ("0.09", 1)])
def test_gap(evaluate: Evaluate, tmp_path: Path, limit: str, code: int) -> None:
    """A model that is right on every training row and on 90 % of the test rows has a gap of 0.1."""
    GOOD.assign(y_pred=GOOD["y_true"]).to_parquet(tmp_path / "train.parquet")
    run = evaluate(GOOD, "--maximum-gap", f"accuracy={limit}", "--train-predictions", "train.parquet")

    assert run.code == code
    assert by_id(run, "gap:accuracy")["value"] == pytest.approx(0.1)
    assert by_id(run, "gap:accuracy").get("reason") == (None if code == 0 else "overfitting")


def test_gap__same_table__refused(evaluate: Evaluate) -> None:
    """Test rows given as training rows are refused: their gap is always 0."""
    run = evaluate(GOOD, "--maximum-gap", "accuracy=0", "--train-predictions", "predictions.parquet")

    assert (run.code, run.report["status"]) == (2, "error")


def test_gap__other_model__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Training predictions of another model, or made from the test rows, say nothing on overfitting."""
    data = InputDigest(name="test-data", path="t", sha256="a" * 64)
    models = [ModelIdentity(uri="m", sha256=digit * 64) for digit in "01"]
    frame = table(45, 5, 5, 45, production=None)
    write_predictions(frame, tmp_path / "p.parquet", candidate=models[0], production=None, test_data=data)
    arguments = ["--maximum-gap", "accuracy=0.5", "--bootstrap", "--train-predictions", "t.parquet"]
    for train_data, model in ((None, models[1]), (data, models[0])):
        train = frame.head(60)
        write_predictions(train, tmp_path / "t.parquet", candidate=model, production=None, test_data=train_data)
        run = cd4ml("evaluate-model", "--predictions", "p.parquet", *arguments)
        assert (run.code, run.report["status"]) == (2, "error")


def test_gap__few_training_rows__inconclusive(evaluate: Evaluate, tmp_path: Path) -> None:
    """Too few training rows decide nothing."""
    pd.concat([GOOD.head(10), GOOD.tail(10)]).to_parquet(tmp_path / "train.parquet")
    run = evaluate(GOOD, "--maximum-gap", "accuracy=0.5", "--train-predictions", "train.parquet")

    assert (run.code, by_id(run, "minimum-rows:training")["status"]) == (4, "inconclusive")


# --- too little data


def test_few_rows__inconclusive(evaluate: Evaluate) -> None:
    """29 rows decide nothing, and the message says how many are needed; 30 do."""
    few, enough = table(15, 0, 0, 14, production=(14, 1, 0, 14)), table(15, 0, 0, 15, production=(14, 1, 0, 15))
    run = evaluate(few, "--minimum", "accuracy=0.5")

    check = by_id(run, "minimum-rows")
    assert (run.code, run.report["status"]) == (4, "inconclusive")
    assert (check["n"], check["limit"]) == (29, 30)
    assert "Add at least 1 test rows" in check["advice"]
    assert evaluate(enough, "--minimum", "accuracy=0.5").code == 0


def test_one_row__not_passed(evaluate: Evaluate) -> None:
    """One right prediction is no evidence, even where one row is allowed: accuracy of one class is undefined."""
    run = evaluate(
        table(1, 0, 0, 0, production=None), "--minimum", "accuracy=0.5", "--bootstrap", "--minimum-test-rows", "1"
    )

    assert (run.code, run.report["status"]) == (2, "error")


# --- limits out of range


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--minimum", "accuracy=80"), "minimum: accuracy is at least 0 and at most 1, got 80"),
        (("--minimum", "accuracy=0.5", "--maximum-regression", "accuracy=1"), "no model can lose 1"),
        (("--no-worse-than", "accuracy=2"), "no model can lose 2"),
        (("--minimum", "accuracy=0.5", "--maximum-gap", "accuracy=5"), "no model can lose 5"),
        (("--maximum", "brier=15"), "maximum: brier is at least 0 and at most 1, got 15"),
        (("--task", "regression", "--maximum", "rmse=-1"), "rmse is at least 0, got -1"),
        (("--task", "regression", "--minimum", "r2=70"), "r2 is at most 1, got 70"),
    ],
)
def test_limit_out_of_range__refused(evaluate: Evaluate, arguments: tuple[str, ...], problem: str) -> None:
    """A limit in percent is refused: as a loss no model could break it, and as a minimum none could meet it."""
    run = evaluate(GOOD, *arguments)

    assert (run.code, run.report["status"]) == (2, "error")
    assert problem in run.report["checks"][0]["message"]


def test_own_metric__any_limit(evaluate: Evaluate, tmp_path: Path) -> None:
    """A metric of the user's own and an error in the target's units have no upper end."""
    (tmp_path / "mine.py").write_text("def profit(y_true, y_pred):\n    return 250.0 + y_pred[0]\n")
    arguments = (
        "--custom-metrics",
        "profit=mine:profit",
        "--minimum",
        "profit=200",
        "--maximum-regression",
        "profit=50",
    )
    numbers = pd.DataFrame({"y_true": range(40), "y_pred": range(1, 41), "production_y_pred": range(2, 42)})

    assert evaluate(GOOD, *arguments).code == 0
    assert evaluate(numbers, "--task", "regression", "--maximum", "rmse=30", "--maximum-regression", "rmse=5").code == 0


# --- undefined metrics are errors


UNDEFINED: dict[str, tuple[pd.DataFrame, str, str]] = {
    "no-positive-decision": (table(0, 50, 0, 50), "--minimum", "precision=0.0"),
    "production-decides-nothing": (table(45, 5, 5, 45, production=(0, 50, 0, 50)), "--minimum", "precision=0.5"),
    "one-class-only": (table(90, 10, 0, 0, production=(80, 20, 0, 0)), "--minimum", "recall=0.5"),
    "no-scores": (GOOD, "--minimum", "roc-auc=0.5"),
    "one-class-with-scores": (scored().assign(y_true=1), "--minimum", "roc-auc=0.0"),
    "no-production-scores": (scored().drop(columns="production_y_score"), "--minimum", "roc-auc=0.5"),
    "scores-beyond-one": (
        (lambda frame: frame.assign(y_score=frame["y_score"] * 3, production_y_score=frame["y_score"]))(scored()),
        "--maximum",
        "log-loss=9",
    ),
    "negative-scores": ((lambda frame: frame.assign(y_score=frame["y_score"] - 1))(scored()), "--maximum", "brier=1"),
}


@pytest.mark.parametrize(("frame", "option", "limit"), UNDEFINED.values(), ids=UNDEFINED)
def test_undefined_metric__error(evaluate: Evaluate, frame: pd.DataFrame, option: str, limit: str) -> None:
    """A metric without a value is an error, never a number and never a pass."""
    run = evaluate(frame, option, limit)

    reasons = {check["reason"] for check in run.report["checks"] if check["status"] == "error"}
    assert (run.code, run.report["status"]) == (2, "error")
    assert reasons == {"undefined-metric"}


def test_class_never_predicted__error(evaluate: Evaluate) -> None:
    """A class that is never predicted is not left out of the average of the others."""
    frame = pd.DataFrame({"y_true": list("aaaabbbbcc") * 5, "y_pred": list("aaaabbbbaa") * 5})
    frame["production_y_pred"] = list("aaaabbbacc") * 5
    run = evaluate(frame, "--task", "multiclass", "--minimum", "precision-macro=0.5")

    assert (run.code, by_id(run, "minimum:precision-macro")["reason"]) == (2, "undefined-metric")


def test_scores_of_the_other_class__error(evaluate: Evaluate) -> None:
    """Scores of the negative class are an error, in the candidate and in production (which anything would beat)."""
    frame = scored()
    for column, model in (("y_score", "candidate"), ("production_y_score", "production")):
        run = evaluate(frame.assign(**{column: 1 - frame[column]}), "--maximum", "log-loss=9")
        assert (run.code, by_id(run, f"score-direction:{model}")["reason"]) == (2, "scores-reversed")


# --- labels of the wrong kind


def test_text_labels__positive_label(evaluate: Evaluate) -> None:
    """Text labels are judged with a positive label and refused without."""
    words = GOOD.replace({1: "yes", 0: "no"})
    judged = evaluate(words, "--minimum", "precision=0.9", "--positive-label", "yes")
    refused = evaluate(words, "--minimum", "precision=0.9")

    assert (judged.code, judged.report["metrics"]["candidate"]["precision"]) == (0, 0.9)
    assert (refused.code, refused.report["status"]) == (2, "error")


def test_positive_label_decides(evaluate: Evaluate) -> None:
    """Recall is that of the positive class: another label, another number."""
    frame = table(45, 5, 20, 30, production=(40, 10, 25, 25)).replace({1: "yes", 0: "no"})
    values = {
        label: evaluate(frame, "--minimum", "recall=0.1", "--positive-label", label).report["metrics"]["candidate"]
        for label in ("yes", "no")
    }

    assert values == {"yes": {"recall": 0.9}, "no": {"recall": 0.6}}


WRONG: dict[str, tuple[pd.DataFrame, tuple[str, ...]]] = {
    "scores-as-decisions": (scored().assign(y_pred=scored()["y_score"]), ()),
    "scores-as-production": (scored().assign(production_y_pred=scored()["y_score"]), ()),
    "scores-as-truth": (scored().assign(y_true=scored()["y_score"]), ()),
    "scores-as-classes": (scored().assign(y_pred=scored()["y_score"]), ("--task", "multiclass")),
    "three-labels": (GOOD.assign(y_pred=GOOD["y_pred"].where(GOOD.index > 0, 2)), ("--positive-label", "1")),
    "other-spelling": (
        GOOD.replace({1: "yes", 0: "no"}).assign(y_pred=GOOD["y_pred"].map({1: "Yes", 0: "No"})),
        ("--positive-label", "yes"),
    ),
    "production-spelling": (
        GOOD.replace({1: "yes", 0: "no"}).assign(production_y_pred=GOOD["y_pred"].map({1: "Yes", 0: "No"})),
        ("--positive-label", "yes"),
    ),
    "unknown-label": (GOOD, ("--positive-label", "approved")),
    "scores-as-text": (scored().assign(y_score="high"), ()),
    "null-truth": (GOOD.assign(y_true=GOOD["y_true"].where(GOOD.index > 0)), ()),
    "null-decision": (GOOD.assign(y_pred=GOOD["y_pred"].where(GOOD.index > 0)), ()),
    "null-class": (
        GOOD.replace({1: "a", 0: "b"}).assign(y_pred=GOOD["y_pred"].map({1: "a"})),
        ("--task", "multiclass"),
    ),
    "nan-score": (scored().assign(y_score=scored()["y_score"].where(scored().index > 0)), ()),
    "infinite-score": (scored().assign(y_score=np.inf), ()),
    "no-rows": (GOOD.head(0), ()),
    "no-truth": (GOOD.drop(columns="y_true"), ()),
    "repeated-ids": (GOOD.assign(row_id=1), ()),
    "zero-weight": (GOOD.assign(sample_weight=0.0), ()),
    "negative-weight": (GOOD.assign(sample_weight=-1.0), ()),
    "nan-weight": (GOOD.assign(sample_weight=np.nan), ()),
}


@pytest.mark.parametrize(("frame", "arguments"), WRONG.values(), ids=WRONG)
def test_wrong_tables__refused(evaluate: Evaluate, frame: pd.DataFrame, arguments: tuple[str, ...]) -> None:
    """What is no table of decisions is refused before any number is computed."""
    run = evaluate(frame, "--minimum", "accuracy=0", *arguments)

    assert (run.code, run.report["status"]) == (2, "error")
    assert run.report["checks"][0]["reason"] == "bad-input"


def test_same_label_written_otherwise__same(evaluate: Evaluate) -> None:
    """1, 1.0 and "1" are one class in a multiclass task: production does not lose by its spelling."""
    labels = [0, 1, 2] * 20
    frame = pd.DataFrame({"y_true": labels, "y_pred": [1, *labels[1:]]})
    frame["production_y_pred"] = [float(label) for label in labels]
    run = evaluate(frame, "--task", "multiclass", "--minimum", "accuracy=0.9")

    assert run.report["metrics"]["production"] == {"accuracy": 1.0}
    assert run.code == 1


# --- options


OPTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "no-limit": ((), "no limit on a metric is set"),
    "unknown-metric": (("--minimum", "acuracy=0.9"), "did you mean `accuracy`"),
    "other-task": (("--maximum", "rmse=1"), "not defined for a binary task"),
    "negative-tolerance": (("--maximum-regression", "accuracy=-0.1"), "must not be negative"),
    "negative-gap": (("--maximum-gap", "accuracy=-0.1", "--train-predictions", "x"), "must not be negative"),
    "gap-without-table": (("--maximum-gap", "accuracy=0.1"), "needs train-predictions"),
    "table-without-gap": (("--minimum", "accuracy=0.5", "--train-predictions", "x"), "no maximum-gap"),
    "wrong-way-up": (("--maximum", "accuracy=0.9"), "better when greater"),
    "wrong-way-down": (("--minimum", "log-loss=0.1"), "better when smaller"),
    "not-a-number": (("--minimum", "accuracy=nan"), "finite"),
    "twice": (("--minimum", "accuracy=0.9", "--minimum", "accuracy=0.1"), "more than once"),
    "no-rows-needed": (("--minimum", "accuracy=0.9", "--minimum-test-rows", "0"), "at least 1"),
    "relative-percent": (("--maximum-relative-regression", "accuracy=2"), "0.02 is 2 %"),
    "relative-and-absolute": (
        ("--maximum-relative-regression", "accuracy=0.1", "--maximum-regression", "accuracy=0.1"),
        "which loss is allowed",
    ),
    "relative-and-tested": (
        ("--maximum-relative-regression", "accuracy=0.1", "--not-significantly-worse", "accuracy"),
        "needs comparison: point",
    ),
    "unknown-column": (("--minimum", "accuracy=0.9", "--columns", "y_pred=decision"), "no column `decision`"),
    "unknown-standard": (("--minimum", "accuracy=0.9", "--columns", "y_predicted=y_pred"), "unknown standard column"),
}


@pytest.mark.parametrize(("arguments", "words"), OPTIONS.values(), ids=OPTIONS)
def test_bad_options__refused(evaluate: Evaluate, arguments: tuple[str, ...], words: str) -> None:
    """Limits that decide nothing, point the wrong way or name nothing are refused, with what was meant."""
    run = evaluate(GOOD, *arguments)

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["checks"][0]["message"]


def test_range__accuracy_too_good(evaluate: Evaluate) -> None:
    """Both limits together are a range: a model that is too good to be true blocks."""
    perfect = table(50, 0, 0, 50)
    run = evaluate(perfect, "--minimum", "accuracy=0.8", "--maximum", "accuracy=0.99")

    assert (run.code, by_id(run, "maximum:accuracy")["reason"]) == (1, "above-maximum")
    assert evaluate(GOOD, "--minimum", "accuracy=0.8", "--maximum", "accuracy=0.99").code == 0


def test_own_column_names(evaluate: Evaluate) -> None:
    """A table with names of its own is mapped by an option."""
    own = GOOD.rename(columns={"y_true": "truth", "y_pred": "decision", "production_y_pred": "before"})
    mapping = "y_true=truth,y_pred=decision,production_y_pred=before"
    run = evaluate(own, "--minimum", "accuracy=0.9", "--columns", mapping)

    assert run.code == 0


def test_no_table__unavailable(cd4ml: Callable[..., Run]) -> None:
    """A predictions table that is not there is exit code 3."""
    run = cd4ml("evaluate-model", "--predictions", "absent.parquet", "--minimum", "accuracy=0.5")

    assert (run.code, run.report["status"]) == (3, "error")


@pytest.mark.parametrize(
    "metadata",
    [
        b"{",
        b'{"uri": "x"}',
        b'{"uri": "x", "sha256": "0", "name": null}',
        b'{"uri": "x", "sha256": "' + b"0" * 64 + b'", "more": 1}',
        b"[1]",
        b"\xff",
    ],
)
def test_forged_metadata__refused(cd4ml: Callable[..., Run], tmp_path: Path, metadata: bytes) -> None:
    """A table whose word on its models cannot be read is refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = pa.Table.from_pandas(GOOD, preserve_index=False).replace_schema_metadata({b"cd4ml.candidate": metadata})
    pq.write_table(stored, tmp_path / "p.parquet")
    run = cd4ml("evaluate-model", "--predictions", "p.parquet", "--minimum", "accuracy=0.5")

    assert (run.code, run.report["status"]) == (2, "error")


# --- other tasks, weights, CSV


def test_regression_task(evaluate: Evaluate) -> None:
    """A regression model is held to its errors; a worse one blocks."""
    y_true = np.linspace(1, 10, 50)
    frame = pd.DataFrame({"y_true": y_true, "y_pred": y_true + 0.1, "production_y_pred": y_true - 0.2})
    limits = ("--task", "regression", "--maximum", "rmse=0.15,mae=0.1", "--minimum", "r2=0.9")
    passed = evaluate(frame, *limits)
    blocked = evaluate(frame.assign(production_y_pred=y_true + 0.05), *limits)

    assert passed.code == 0
    assert passed.report["metrics"]["candidate"]["rmse"] == pytest.approx(0.1)
    assert passed.report["details"] == {}
    assert (blocked.code, by_id(blocked, "regression:rmse")["status"]) == (1, "failed")


def test_regression_task__undefined(evaluate: Evaluate) -> None:
    """A percentage error with a true value of 0, and r2 of a constant, are errors."""
    y_true = np.linspace(0, 10, 50)
    frame = pd.DataFrame({"y_true": y_true, "y_pred": y_true + 0.1, "production_y_pred": y_true - 0.2})
    constant = frame.assign(y_true=1.0)

    assert evaluate(frame, "--task", "regression", "--maximum", "mape=9").code == 2
    assert evaluate(constant, "--task", "regression", "--minimum", "r2=-9").code == 2
    assert evaluate(frame.assign(y_pred="a"), "--task", "regression", "--maximum", "mae=9").code == 2


def test_weights_count(evaluate: Evaluate) -> None:
    """Rows count by their weight, in both models."""
    weight = [3.0 if right else 1.0 for right in GOOD["y_true"] == GOOD["y_pred"]]
    run = evaluate(GOOD.assign(sample_weight=weight), "--minimum", "accuracy=0.5")

    assert run.report["metrics"]["candidate"]["accuracy"] == pytest.approx(270 / 280)


def test_csv(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A table in CSV gives the same numbers."""
    GOOD.to_csv(tmp_path / "p.csv", index=False)
    run = cd4ml("evaluate-model", "--predictions", "p.csv", "--minimum", "accuracy=0.9")

    assert (run.code, run.report["metrics"]["candidate"]["accuracy"]) == (0, 0.9)


STORED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "texts": lambda frame: frame.astype({"y_true": str, "y_pred": str, "production_y_pred": str, "age": str}),
    "categories": lambda frame: frame.astype("category"),
    "nullable": lambda frame: frame.convert_dtypes(),
    "decimals": lambda frame: frame.astype({"y_true": float, "y_pred": float, "age": float}),
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_how_values_are_stored__same_report(evaluate: Evaluate, stored: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Texts, categories, nullable numbers and decimals stand for the same classes and the same slices."""
    frame = GOOD.assign(region=["north", "south"] * 50, age=[20, 30, 40, 50] * 25)
    arguments = ("--minimum", "accuracy=0.5,f1-macro=0.5", "--slices", "region & age", "--slice-bins", "age=25:45")
    numbers = [evaluate(table, *arguments).report["metrics"] for table in (frame, stored(frame))]

    assert numbers[0] == numbers[1]
    assert {tuple(part["slice"].values()) for part in numbers[0]["slices"]} == {
        ("north", "<25"),
        ("south", "25 to <45"),
        ("north", "25 to <45"),
        ("south", ">=45"),
    }


@pytest.mark.parametrize("ids", [[7, 7], [9, 3, 9], ["a", "b", "a"]])
def test_repeated_row_ids__refused(evaluate: Evaluate, ids: list[Any]) -> None:
    """Rows that occur twice are refused, whatever their ids are and in whatever order; rising and other ids pass."""
    rest = [f"r{index}" if isinstance(ids[0], str) else 1_000 - index for index in range(len(GOOD) - len(ids))]
    run = evaluate(GOOD.assign(row_id=[*ids, *rest]), "--minimum", "accuracy=0.5")

    assert (run.code, run.report["status"]) == (2, "error")
    assert "1 row ids occur more than once" in run.report["summary"]
    for fine in (range(100), range(100, 0, -1)):
        assert evaluate(GOOD.assign(row_id=fine), "--minimum", "accuracy=0.5").code == 0


def test_columns_that_nothing_needs__not_read(tmp_path: Path) -> None:
    """Of a table only the columns that are judged are read, by its own names or by the standard ones."""
    frame = GOOD.assign(note="x", region="north").rename(columns={"y_pred": "decision"})
    frame.to_parquet(tmp_path / "p.parquet", index=False)
    found = read_predictions(open_table(tmp_path / "p.parquet"), columns={"y_pred": "decision"}, others=("region",))

    assert list(found.frame.columns) == ["y_true", "y_pred", "production_y_pred", "region"]


def test_row_order_does_not_matter(evaluate: Evaluate) -> None:
    """The verdict and the numbers are those of the rows, in whatever order."""
    frame = scored(quality=1.2)
    limits = ("--minimum", "roc-auc=0.5,f1=0.5", "--maximum-regression", "roc-auc=0.5,f1=0.5")
    first = evaluate(frame, *limits)
    second = evaluate(frame.sample(frac=1, random_state=1), *limits)

    assert first.report["status"] == second.report["status"]
    assert first.report["metrics"]["candidate"] == pytest.approx(second.report["metrics"]["candidate"])


# --- what a check shows


def test_every_check__carries_its_evidence(evaluate: Evaluate, tmp_path: Path) -> None:
    """Each check on a metric has value, limit and n; where there are rows enough, interval and method; a comparison has
    its baseline, and says how small a loss this test set could have seen."""
    frame = scored(2_000, quality=1.1).assign(region=["north", "south"] * 1_000)
    frame.drop(columns=["production_y_pred", "production_y_score"]).iloc[::-1].to_parquet(tmp_path / "train.parquet")
    metrics = [name for name, metric in METRICS.items() if Task.BINARY in metric.tasks]
    better = [name for name in metrics if METRICS[name].greater_is_better]
    arguments = (
        *("--minimum", ",".join(f"{name}=0.1" for name in better)),
        *("--maximum", ",".join(f"{name}=0.9" for name in metrics if name not in better)),
        *("--maximum-gap", "accuracy=0.9,brier=0.9", "--train-predictions", "train.parquet"),
        *("--slices", "region", "--slice-search", "region", "--maximum-slice-gap", "0.9"),
        *("--maximum-relative-regression", "accuracy=0.5", "--not-significantly-worse", "roc-auc,f1"),
        *("--no-worse-than", "brier=0.2"),
    )
    checks = evaluate(frame, *arguments).report["checks"]

    judged = [check for check in checks if "metric" in check]
    assert {check["metric"] for check in judged} >= {*metrics, "rows", "error-rate"}
    for check in judged:
        assert {"value", "limit", "n", "message"} <= set(check), check["id"]
        if not check["id"].startswith(("minimum-rows", "slice-search")):
            assert check["interval"]["method"] and check["interval"]["lower"] <= check["interval"]["upper"], check["id"]
        if check["id"].startswith("regression:"):
            assert "baseline" in check and "would be detected 4 times in 5" in check["message"], check["id"]


def test_relative_regression(evaluate: Evaluate) -> None:
    """A loss is allowed as a share of production's value: 0.75 is 6.25 % worse than 0.80."""
    limits = ("--minimum", "accuracy=0.7", "--maximum-relative-regression")
    passed, blocked = evaluate(WORSE, *limits, "accuracy=0.0625"), evaluate(WORSE, *limits, "accuracy=0.0624")

    assert (passed.code, blocked.code) == (0, 1)
    check = by_id(blocked, "regression:accuracy")
    assert (check["reason"], check["baseline"]) == ("regression", 0.8) and check["limit"] == pytest.approx(0.04992)
    assert "6.24 % of production's value" in check["message"]


def test_quantities_without_a_task__told_of_regression(evaluate: Evaluate) -> None:
    """A table of a regression model, given to the default task, is answered with the task that it needs."""
    y_true = np.linspace(1, 10, 50)
    run = evaluate(pd.DataFrame({"y_true": y_true, "y_pred": y_true + 0.1}), "--minimum", "r2=0.5", "--bootstrap")
    table = pd.DataFrame({"y_true": y_true, "y_pred": y_true + 0.1, "production_y_pred": y_true})
    other = evaluate(table, "--minimum", "accuracy=0.5")

    assert (run.code, other.code) == (2, 2)
    assert "task: regression" in other.report["checks"][0]["advice"]
    assert "set task: regression" in run.report["checks"][0]["message"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_table_that_holds_no_predictions__columns_are_named(
    cd4ml: Callable[..., Run], tmp_path: Path, ending: str
) -> None:
    """A table of data in the place of predictions lacks columns; it is not said to be empty."""
    data = pd.DataFrame({"age": range(40), "income": range(40)})
    if ending == "csv":
        data.to_csv(tmp_path / "data.csv", index=False)
    else:
        data.to_parquet(tmp_path / "data.parquet", index=False)
    run = cd4ml("evaluate-model", "--predictions", f"data.{ending}", "--minimum", "accuracy=0.7", "--bootstrap", "true")

    assert run.code == 2 and "no rows" not in run.report["summary"]
    assert "no column `y_true`" in run.report["summary"] and "no column `y_pred`" in run.report["summary"]


def test_unknown_metric__those_of_the_task_are_named(evaluate: Evaluate) -> None:
    """A misspelt metric is answered with the nearest one and with the metrics of the task, not of others."""
    said = evaluate(table(40, 10, 10, 40), "--minimum", "acuracy=0.7").report["summary"]

    assert "did you mean `accuracy`?" in said and "roc-auc" in said and "rmse" not in said


@pytest.mark.parametrize("column", ["y_true", "y_pred", "y_score", "row_id", "sample_weight", "production_y_pred"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_lists__refused(evaluate: Evaluate, column: str, task: str) -> None:
    """A column that holds a list in each row is refused as such, whichever it is: no verdict, and no defect either."""
    limit = {"regression": "r2=0.1", "multilabel": "f1-macro=0.1"}.get(task, "accuracy=0.1")
    frame = GOOD.assign(**{column: pd.Series([["a", "b"]] * len(GOOD), index=GOOD.index)})

    run = evaluate(frame, "--task", task, "--minimum", limit)

    assert (run.code, run.report["status"]) == (2, "error")
    assert column in run.report["summary"]
