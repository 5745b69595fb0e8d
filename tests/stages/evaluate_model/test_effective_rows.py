"""Test rows that equal others narrow no interval: check-split's report says as how many rows they count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from cd4ml.data.predictions.table import write_predictions
from cd4ml.metrics.performance import bootstrap
from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.churn import churn
from cd4ml.metrics.performance.comparison import compare
from cd4ml.metrics.performance.measurement import measure
from cd4ml.metrics.performance.metric import Metric, Sample
from cd4ml.report import InputDigest, ModelIdentity
from tests.conftest import Run
from tests.stages.check_split.conftest import by_id

FOLDS: Final = 5
ROWS: Final = 400
NO_WORSE: Final = ("--no-worse-than", "accuracy=0.02")
Cli = Callable[..., Run]


def rows(n: int, seed: int) -> pd.DataFrame:
    """Return rows that are all different, with a target."""
    drawn = np.random.default_rng(seed)
    return pd.DataFrame({"income": drawn.normal(size=n), "debt": drawn.normal(size=n), "y": drawn.integers(0, 2, n)})


def predictions(test: pd.DataFrame) -> pd.DataFrame:
    """Return two models' decisions on the rows, which depend on a row's values alone: equal good, on other rows."""
    rank = test["income"].rank(method="dense").to_numpy() % 20
    wrong, before = rank == 0, rank == 1
    truth = test["y"].to_numpy()
    return pd.DataFrame({"y_true": truth, "y_pred": truth ^ wrong, "production_y_pred": truth ^ before})


@pytest.fixture(name="judged")
def _judged(cd4ml: Cli, tmp_path: Path) -> Callable[..., Run]:
    """Split, score by hand and evaluate: the whole way of five copies of each test row."""

    def run(*arguments: str, copies: int = FOLDS, checked: bool = True, about: str | None = None) -> Run:
        test = pd.concat([rows(ROWS, seed=2)] * copies, ignore_index=True)
        rows(3000, seed=1).to_parquet(tmp_path / "train.parquet")
        test.to_parquet(tmp_path / "test.parquet")
        digest = about
        if checked:
            split = ("--train-data", "train.parquet", "--test-data", "test.parquet", "--target", "y")
            found = cd4ml("check-split", *split).report
            (digest,) = [about or one["sha256"] for one in found["inputs"] if one["name"] == "test-data"]
        told = InputDigest(name="test-data", path="test.parquet", sha256=digest) if digest else None
        model = ModelIdentity(uri="m", sha256="1" * 64)
        other = ModelIdentity(uri="n", sha256="2" * 64)
        models: dict[str, Any] = {"candidate": model, "production": other, "test_data": told}
        write_predictions(predictions(test), tmp_path / "p.parquet", **models)
        return cd4ml("evaluate-model", "--predictions", "p.parquet", *NO_WORSE, *arguments)

    return run


def test_planted_copies__the_verdict_is_open(judged: Callable[..., Run]) -> None:
    """Five copies of a row show no more than one: what passes without check-split is left open with it."""
    blind, seen = judged(checked=False), judged()

    assert blind.code == 0 and seen.code == 4
    checks = by_id(seen)
    assert checks["regression:accuracy"]["status"] == "inconclusive"
    counted = checks["effective-rows"]
    assert counted["status"] == "passed" and counted["value"] == pytest.approx(ROWS, rel=1e-3)
    assert "2,000 test rows count as 400" in counted["message"] and "design effect 5" in counted["message"]


def test_planted_copies__as_certain_as_one_of_each(judged: Callable[..., Run], tmp_path: Path) -> None:
    """Intervals are those of the table with one row of each."""
    five = by_id(judged())["regression:accuracy"]
    one = by_id(judged(copies=1))["regression:accuracy"]

    for end in ("lower", "upper"):
        assert five["interval"][end] == pytest.approx(one["interval"][end], abs=2e-4)


def test_other_rows__are_said(judged: Callable[..., Run]) -> None:
    """A report about other rows than were scored is not used, and the check says so."""
    run = judged(about="f" * 64)

    assert run.code == 0
    message = by_id(run)["effective-rows"]["message"]
    assert "is about other test rows than were scored" in message and "counts as a row of its own" in message


def test_named_report__of_other_rows_or_absent_is_refused(judged: Callable[..., Run]) -> None:
    """A report that is named must be there, and be about these rows."""
    other = judged("--split-report", "reports/check-split.json", about="f" * 64)
    assert other.code == 2 and "about other test rows" in other.report["checks"][0]["message"]
    absent = judged("--split-report", "nothing.json")
    assert absent.code == 2 and "nothing.json does not exist" in absent.report["checks"][0]["message"]


def test_predictions_without_a_digest(cd4ml: Cli, judged: Callable[..., Run], tmp_path: Path) -> None:
    """A table of one's own does not say which rows it is of: the report counts where it is named, with as many rows."""
    judged()
    test = pd.concat([rows(ROWS, seed=2)] * FOLDS, ignore_index=True)
    predictions(test).to_parquet(tmp_path / "own.parquet")
    run = ("evaluate-model", "--predictions", "own.parquet", *NO_WORSE)

    beside, named = cd4ml(*run), cd4ml(*run, "--split-report", "reports/check-split.json")

    assert beside.code == 0 and "do not say which they are of" in by_id(beside)["effective-rows"]["message"]
    assert named.code == 4
    predictions(test.head(300)).to_parquet(tmp_path / "own.parquet")
    fewer = cd4ml(*run, "--split-report", "reports/check-split.json")
    assert fewer.code == 2 and "2,000 test rows, and there are 300" in fewer.report["checks"][0]["message"]


@pytest.mark.parametrize("named", [False, True])
def test_predictions_of_some_of_the_rows__are_no_more_certain(
    cd4ml: Cli, judged: Callable[..., Run], tmp_path: Path, named: bool
) -> None:
    """A table that holds 600 of the 2,000 rows has the design effect that was found of them all, not 600 / 400."""
    judged()
    some = predictions(pd.concat([rows(ROWS, seed=2)] * FOLDS, ignore_index=True)).head(600)
    reread = json.loads((tmp_path / "reports" / "check-split.json").read_text())
    (digest,) = [one["sha256"] for one in reread["inputs"] if one["name"] == "test-data"]
    told = InputDigest(name="test-data", path="test.parquet", sha256=digest)
    model, other = ModelIdentity(uri="m", sha256="1" * 64), ModelIdentity(uri="n", sha256="2" * 64)
    write_predictions(some, tmp_path / "some.parquet", candidate=model, production=other, test_data=told)
    report = ("--split-report", "reports/check-split.json") if named else ()

    run = cd4ml("evaluate-model", "--predictions", "some.parquet", *NO_WORSE, *report)

    counted = by_id(run)["effective-rows"]
    assert counted["value"] == pytest.approx(600 / FOLDS, rel=1e-3) and "design effect 5" in counted["message"]


@pytest.mark.parametrize("effective", [0, -1, 2001, "400", None, True])
def test_report_that_could_narrow__is_not_used(judged: Callable[..., Run], tmp_path: Path, effective: object) -> None:
    """No report makes rows count for more than they are, or for nothing."""
    judged()
    path = tmp_path / "reports" / "check-split.json"
    document = json.loads(path.read_text())
    document["metrics"]["effective_test_rows"] = effective
    path.write_text(json.dumps(document))

    run = judged("--split-report", "reports/check-split.json", checked=False)

    assert run.code == 2 and "does not say as how many rows" in run.report["checks"][0]["message"]


def sample(n: int, *, effect: float = 1.0, seed: int, weighted: bool = False) -> Sample:
    """Return a model's decisions and scores."""
    drawn = np.random.default_rng(seed)
    truth = np.random.default_rng(9).integers(0, 2, n)
    score = np.clip(0.3 + 0.4 * truth + drawn.normal(scale=0.25, size=n), 0.001, 0.999)
    weight = np.random.default_rng(8).uniform(0.5, 2.0, n) if weighted else None
    decided = (score > 0.5).astype(int)
    return Sample(y_true=truth, y_pred=decided, y_score=score, weight=weight, design_effect=effect)


OWN: Final = Metric(
    **{**vars(METRICS["accuracy"]), "name": "own", "of_counts": None, "share": None}
    | {"function": lambda one: float((one.y_true == one.y_pred).mean())}
)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", [METRICS[name] for name in ("accuracy", "f1", "roc-auc", "log-loss")] + [OWN])
def test_every_method__is_as_sure_as_fewer_rows(
    metric: Metric, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values stay; each kind of interval and test is as wide as that of four times fewer rows, never narrower."""
    monkeypatch.setattr(bootstrap, "ROW_REPLICATES", 400)
    spreads, values = {}, {}
    for effect in (1.0, 4.0):
        first, second = (measure(metric, sample(4000, effect=effect, seed=s, weighted=weighted)) for s in (1, 2))
        compared, own = compare(first, second), first.interval
        assert own is not None
        values[effect] = (first.value, compared.difference)
        spreads[effect] = (own.upper - own.lower, compared.interval.upper - compared.interval.lower)

    assert values[1.0] == values[4.0]
    for wide, narrow in zip(spreads[4.0], spreads[1.0], strict=True):
        assert wide / narrow == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("weighted", [False, True])
def test_churn__counts_as_fewer_rows(weighted: bool) -> None:
    """The share of changed decisions stays, and is as uncertain as that of fewer rows."""
    found = []
    for effect in (1.0, 4.0):
        new, old = (sample(4000, effect=effect, seed=seed, weighted=weighted) for seed in (1, 2))
        found.append(churn(new, old))

    ends = [one.changed.interval for one in found]
    assert found[0].changed.share == found[1].changed.share and ends[0] and ends[1]
    assert (ends[1].upper - ends[1].lower) / (ends[0].upper - ends[0].lower) == pytest.approx(2.0, rel=0.05)
