"""A table that score-model wrote is judged as it was written, or not at all; a user's own is judged without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from cd4ml.data.predictions.table import write_predictions
from cd4ml.data.tables.opening import open_table
from cd4ml.digests import file_sha256
from cd4ml.errors import OptionsError
from cd4ml.evidence.scored import same_rows_check, scored_check
from cd4ml.report import InputDigest, ModelIdentity, Published, Status
from cd4ml.report.reading import read
from tests.conftest import Run
from tests.reports import FINE, document
from tests.reports import write as write_report

FAILED: Final[dict[str, Any]] = {"status": "failed", "checks": [FINE | {"status": "failed"}]}
CANDIDATE, ROWS = "a" * 64, "c" * 64
JUDGES = {
    "evaluate-model": ("--minimum", "accuracy=0.5", "--bootstrap"),
    "audit-fairness": ("--sensitive-features", "group"),
}


def table(seed: int = 0) -> pd.DataFrame:
    """Return predictions of 400 rows in two groups, most of them right."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, 400)
    y_pred = np.where(rng.random(400) < 0.9, y_true, 1 - y_true)
    return pd.DataFrame({"row_id": range(400), "y_true": y_true, "y_pred": y_pred, "group": ["x", "y"] * 200})


def write(path: Path, frame: pd.DataFrame, candidate: str = CANDIDATE, rows: str = ROWS) -> str:
    """Write a table as score-model does, and return its digest."""
    write_predictions(
        frame,
        path,
        candidate=ModelIdentity(uri="x", sha256=candidate),
        production=None,
        test_data=InputDigest(name="test-data", path="t", sha256=rows),
    )
    return file_sha256(path)


def report(sha256: str | None, **changes: Any) -> dict[str, Any]:
    """Return score-model's report on a table."""
    found = document(
        "score-model",
        candidate={"uri": "x", "sha256": CANDIDATE},
        inputs=[{"name": "test-data", "path": "t", "sha256": ROWS}],
        options={"predictions": "predictions.parquet", "train-predictions": "train-predictions.parquet"},
        outputs={} if sha256 is None else {"predictions-sha256": sha256},
    )
    return found | changes


@pytest.fixture
def judge(cd4ml: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    """Run a stage that judges a table, beside a report of score-model."""

    def run(stage: str, scored: dict[str, Any] | str | None, name: str = "predictions.parquet", *more: str) -> Run:
        (tmp_path / "reports").mkdir(exist_ok=True)
        if scored is not None:
            text = scored if isinstance(scored, str) else json.dumps(scored)
            (tmp_path / "reports" / "score-model.json").write_text(text)
        return cd4ml(stage, "--predictions", name, *JUDGES[stage], *more)

    return run


@pytest.mark.parametrize("stage", JUDGES)
def test_as_written__judged(judge: Callable[..., Run], tmp_path: Path, stage: str) -> None:
    """The table that score-model wrote is judged."""
    assert judge(stage, report(write(tmp_path / "predictions.parquet", table()))).code == 0


@pytest.mark.parametrize("stage", JUDGES)
@pytest.mark.parametrize("how", ["one value", "no word on the model", "another model's", "another format's name"])
def test_changed_since__refused(judge: Callable[..., Run], tmp_path: Path, stage: str, how: str) -> None:
    """A table that was rewritten is refused, whatever it says of itself, and the message says what to do."""
    path = tmp_path / "predictions.parquet"
    scored = report(write(path, table()))
    better = table().assign(y_pred=table()["y_true"])
    if how == "one value":
        write(path, table().assign(y_pred=lambda frame: frame["y_pred"].where(frame["row_id"] != 7, 1)))
    elif how == "no word on the model":
        better.to_parquet(path)
    elif how == "another model's":
        write(path, better, candidate="d" * 64)
    else:  # under another name, but about the same model and rows
        path = tmp_path / "copy.parquet"
        write(path, better)
    run = judge(stage, scored, path.name)

    check = run.report["checks"][0]
    assert (run.code, run.report["status"], check["reason"]) == (2, "error", "predictions-changed")
    assert "is not the table that score-model wrote" in check["message"] and "Run score-model again" in check["advice"]


@pytest.mark.parametrize("stage", JUDGES)
@pytest.mark.parametrize(
    "scored",
    [
        report("f" * 64, **FAILED),
        report(None),
        report("f" * 64, stage="validate-data"),
        "{",
        report("f" * 64, outputs={"predictions-sha256": 7}),
    ],
    ids=["did-not-pass", "names-no-table", "of-another-stage", "unreadable", "no-digest"],
)
def test_report_that_does_not_tell__refused(
    judge: Callable[..., Run], tmp_path: Path, stage: str, scored: dict[str, Any] | str
) -> None:
    """Beside a report of score-model that failed, was cut off or names no table, its table is not judged."""
    write(tmp_path / "predictions.parquet", table())
    run = judge(stage, scored)

    assert (run.code, run.report["checks"][0]["reason"]) == (2, "predictions-changed")


@pytest.mark.parametrize("stage", JUDGES)
def test_own_table__judged(judge: Callable[..., Run], tmp_path: Path, stage: str) -> None:
    """A user's own table needs no score-model, and one of another name and model is left alone by its report."""
    table().to_csv(tmp_path / "decisions.csv", index=False)
    write(tmp_path / "earlier.parquet", table(), rows="e" * 64)

    assert judge(stage, None, "decisions.csv").code == 0
    assert judge(stage, report("f" * 64), "decisions.csv").code == 0
    assert judge(stage, report("f" * 64), "earlier.parquet").code == 0


def test_training_rows__compared_as_well(judge: Callable[..., Run], tmp_path: Path) -> None:
    """Predictions on training rows that were rewritten cannot hide that a model overfits."""
    scored = report(write(tmp_path / "predictions.parquet", table()))
    train = write(tmp_path / "train-predictions.parquet", table(1), rows="b" * 64)
    scored["outputs"]["train-predictions-sha256"] = train
    gap = ("--train-predictions", "train-predictions.parquet", "--maximum-gap", "accuracy=0.2")

    assert judge("evaluate-model", scored, "predictions.parquet", *gap).code == 0
    write(tmp_path / "train-predictions.parquet", table(2), rows="b" * 64)
    run = judge("evaluate-model", scored, "predictions.parquet", *gap)
    assert (run.code, run.report["checks"][0]["reason"]) == (2, "predictions-changed")
    assert "train-predictions.parquet" in run.report["checks"][0]["message"]


def judged(sha256: str, name: str = "predictions.parquet", **changes: Any) -> Published:
    """Return the report of a stage that judged a table."""
    tables = [{"name": "predictions", "path": name, "sha256": sha256}]
    parts = {"candidate": {"uri": "x", "sha256": CANDIDATE}, "inputs": tables, **changes}
    return read(document("evaluate-model", **parts))


A, B = "1" * 64, "2" * 64
EVIDENCE: dict[str, tuple[dict[str, Any], bool]] = {
    "all of one table": ({"evaluate-model": judged(A), "audit-fairness": judged(A), "build-image": judged(A)}, True),
    "another evaluated": ({"evaluate-model": judged(B), "audit-fairness": judged(A)}, False),
    "another audited": ({"evaluate-model": judged(A), "audit-fairness": judged(B)}, False),
    "another in the image": ({"evaluate-model": judged(A), "build-image": judged(B)}, False),
    "another name, same model": ({"evaluate-model": judged(B, "p.parquet")}, False),
    "does not say which": ({"evaluate-model": judged(A, inputs=[])}, False),
    "image not compared": ({"evaluate-model": judged(A), "build-image": judged(A, inputs=[])}, True),
    "own decisions audited": (
        {"evaluate-model": judged(A), "audit-fairness": judged(B, "decisions.csv", candidate=None)},
        True,
    ),
    "report missing": ({"evaluate-model": "it does not exist"}, True),  # a check of its own says so
}


@pytest.mark.parametrize(("reports", "passes"), EVIDENCE.values(), ids=EVIDENCE)
def test_evidence_about_another_table__refused(reports: dict[str, Any], passes: bool) -> None:
    """A deployment relies on no verdict about a table that score-model did not write."""
    check = scored_check(reports, read(report(A)), judges=JUDGES)

    assert (check.status is Status.PASSED) == passes
    assert passes or (check.reason == "predictions-changed" and check.advice)


@pytest.mark.parametrize(
    "scored", [read(report(A, **FAILED)), read(report(None)), "unreadable"], ids=["failed", "silent", "unreadable"]
)
def test_evidence_beside_a_report_that_does_not_tell__refused(scored: Any) -> None:
    """What score-model did not finish, or does not name, supports nothing."""
    assert scored_check({"evaluate-model": judged(A)}, scored, judges=JUDGES).status is Status.FAILED


def test_evidence_beside_an_unreadable_report__refused() -> None:
    """A report of score-model that cannot be read blocks, even where no other report names a table."""
    assert scored_check({}, "unreadable", judges=JUDGES).status is Status.FAILED


def test_build_image__compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """build-image sends no rows from a table that was rewritten."""
    from cd4ml.context import Context
    from cd4ml.image.builders.docker import Docker
    from cd4ml.image.reference import Reference
    from cd4ml.stages.build_image import simulation
    from cd4ml.stages.build_image.inputs import Inputs
    from cd4ml.stages.build_image.model import Candidate
    from cd4ml.stages.build_image.options import Options

    monkeypatch.chdir(tmp_path)
    frame = table()
    frame.to_csv("test.csv", index=False)
    write_report(tmp_path / "reports", "score-model", **report(A))
    write(tmp_path / "predictions.parquet", frame)
    inputs = Inputs(
        options=Options(model="m", image="i", test_data="test.csv", predictions="predictions.parquet", simulate=True),
        context=Context(directory=tmp_path),
        image=Reference(name="i"),
        severities=(),
        memory=1 << 30,
        ignores=(),
        builder=Docker(program="docker", environ={}),  # nothing is built here
        trivy="trivy",
        scratch=tmp_path,
    )
    candidate = Candidate(identity=ModelIdentity(uri="m", sha256=CANDIDATE), folder=tmp_path)
    with pytest.raises(OptionsError, match="is not the table that score-model wrote"):
        simulation.tables_to_compare(inputs, candidate)

    wrote = open_table(tmp_path / "predictions.parquet").sha256()
    write_report(tmp_path / "reports", "score-model", **report(wrote))
    assert simulation.tables_to_compare(inputs, candidate)


@pytest.mark.parametrize(
    ("rows", "required", "passes"), [(A, True, True), (B, True, False), (B, False, True), ("", True, False)]
)
def test_split_of_other_rows(rows: str, required: bool, passes: bool) -> None:
    """A required check-split is no evidence of rows that were not scored; one that is not required is reported."""
    inputs = [{"name": "test-data", "path": "t", "sha256": rows}] if rows else []
    scored = read(report(A, inputs=[{"name": "test-data", "path": "t", "sha256": A}]))

    check = same_rows_check(read(document("check-split", inputs=inputs)), scored, required=required)

    assert (check.status is Status.PASSED) == passes
    assert (check.reason == "other-test-rows") == (rows != A)
    assert rows == A or "looked at other test rows than score-model scored" in check.message
