"""Costs against production: limits hold what score-model measured, and what it did not measure is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.data.predictions.table import write_predictions
from cd4ml.report import InputDigest, ModelIdentity
from tests.conftest import Run
from tests.reports import FINE, document
from tests.stages.evaluate_model.conftest import table

Costs = Callable[..., Run]
CANDIDATE, PRODUCTION, ROWS = "a" * 64, "b" * 64, "c" * 64


def told() -> dict[str, Any]:
    """Return what score-model reports of a candidate that is 1.5 times as slow and twice as large."""
    measured = {
        "candidate": {"rows": 100, "repeated_seconds": [0.4, 0.3, 0.35]},
        "production": {"rows": 100, "repeated_seconds": [0.2, 0.5]},
    }
    return document(
        "score-model",
        candidate={"uri": "x", "sha256": CANDIDATE},
        production={"uri": "y", "sha256": PRODUCTION},
        inputs=[{"name": "test-data", "path": "t", "sha256": ROWS}],
        metrics={"rows": 100, "size_bytes": {"candidate": 2_000, "production": 1_000}},
        run={"measured": measured},
    )


@pytest.fixture
def costs(cd4ml: Callable[..., Run], tmp_path: Path) -> Costs:
    """Write predictions of two known models and a report on their costs, and evaluate."""

    def run(report: dict[str, Any] | None, *limits: str) -> Run:
        write_predictions(
            table(45, 5, 5, 45),
            tmp_path / "predictions.parquet",
            candidate=ModelIdentity(uri="x", sha256=CANDIDATE),
            production=ModelIdentity(uri="y", sha256=PRODUCTION),
            test_data=InputDigest(name="test-data", path="t", sha256=ROWS),
        )
        (tmp_path / "scored").mkdir(exist_ok=True)
        if report is not None:
            (tmp_path / "scored" / "score-model.json").write_text(json.dumps(report))
        where = () if "--scoring-report" in limits else ("--scoring-report", "scored/score-model.json")
        judged = ("--predictions", "predictions.parquet")
        return cd4ml("evaluate-model", *judged, "--minimum", "accuracy=0.8", *where, *limits)

    return run


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


@pytest.mark.parametrize(("latency", "size", "code"), [("1.5", "2", 0), ("1.49", "2", 1), ("1.5", "1.99", 1)])
def test_costs_at_their_limits(costs: Costs, latency: str, size: str, code: int) -> None:
    """A ratio at its limit passes, one beyond blocks; the fastest repeat counts, and the message says how."""
    run = costs(told(), "--maximum-latency-ratio", latency, "--maximum-size-ratio", size)

    found = by_id(run, "maximum:latency-ratio")
    assert run.code == code
    assert found["value"] == pytest.approx(1.5) and found["n"] == 100
    assert found["message"].startswith("latency 3000 microseconds a row, 1.5000 times production's 2000 (at most ")
    assert "the fastest of 2 repeated predictions of all 100 rows, loading excluded" in found["message"]
    assert by_id(run, "maximum:size-ratio")["value"] == 2.0


def changed(*path: str, to: Any) -> dict[str, Any]:
    """Return the report with one value changed."""
    report = told()
    place = report
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return report


WRONG: dict[str, dict[str, Any] | None] = {
    "no report": None,
    "of another stage": changed("stage", to="evaluate-model"),
    "that failed": changed("checks", to=[FINE | {"status": "failed"}]) | {"status": "failed"},
    "whose status is not that of its checks": changed("status", to="failed"),
    "on another candidate": changed("candidate", "sha256", to="d" * 64),
    "on another production": changed("production", "sha256", to="d" * 64),
    "on no production": changed("production", to=None),
    "on other rows": changed("inputs", to=[]),
    "not measured": changed("run", to={}),
    "on no rows": changed("metrics", "rows", to=0),
    "one not measured": changed("run", "measured", "production", to={"repeated_seconds": []}),
    "no time": changed("run", "measured", "candidate", to={"repeated_seconds": [0.0]}),
    "a text": changed("run", "measured", "candidate", to={"repeated_seconds": ["1"]}),
}


@pytest.mark.parametrize("report", WRONG.values(), ids=WRONG)
def test_latency_not_measured__error(costs: Costs, report: dict[str, Any] | None) -> None:
    """A limit on what was not measured, or of other models or rows, is an error and never a pass."""
    run = costs(report, "--maximum-latency-ratio", "9")

    assert (run.code, run.report["status"]) == (2, "error")
    assert "measure-latency: true" in run.report["checks"][0]["advice"]


@pytest.mark.parametrize("size", [0, -1, "1", None])
def test_size_not_measured__error(costs: Costs, size: Any) -> None:
    """A model without a size is an error."""
    run = costs(changed("metrics", "size_bytes", "candidate", to=size), "--maximum-size-ratio", "9")

    assert (run.code, run.report["status"]) == (2, "error")


def test_no_limit_on_costs__no_report_needed(costs: Costs) -> None:
    """Nobody who asks for no costs needs a report on them."""
    assert costs(None).code == 0


@pytest.mark.parametrize(
    "limits", [("--maximum-size-ratio", "0"), ("--scoring-report", "reports", "--maximum-size-ratio", "1")]
)
def test_wrong_limits__refused(costs: Costs, limits: tuple[str, ...]) -> None:
    """Limits that no model can meet, and reports that are no JSON, are refused."""
    assert costs(told(), *limits).code == 2
