"""Labels that come later: joined to their predictions whatever comes in between, and held against the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cd4ml.cli import main
from cd4ml.data.profile import reference as profile
from cd4ml.report import Report, Status
from tests.worker.stream import BEGIN, append, events, rows, worker, write_profile

HOUR = 3600.0
AFTER = BEGIN + HOUR + 301
LABELLED: Any = {"labels": "labels.jsonl", "positive_label": "1"}


def labelled(number: int, seed: int, wrong: float = 0.0, **changed: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """Return rows with calibrated scores, what is predicted from them and what was right; the latter is turned over in
    some share of the rows."""
    rng = np.random.default_rng(seed + 1_000)
    found = rows(number, seed, **changed)
    for row in found:
        row["y_pred"] = int(row["y_score"] >= 0.5)
        row["y_true"] = int(rng.random() < row["y_score"]) ^ int(rng.random() < wrong)
    return found


def save(*arguments: str) -> None:
    """Have detect-drift write the profile of a table."""
    told = ["--reference", "test.parquet", "--label", "y_true", "--exclude", "y_pred", "--save-profile", "profile.json"]
    assert main(["detect-drift", *told, *arguments]) == 0


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile that holds the performance, as detect-drift writes it."""
    folder = tmp_path_factory.mktemp("profile")
    pl.DataFrame(labelled(4_000, seed=1)).write_parquet(folder / "test.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save("--positive-label", "1")
    return folder / "profile.json"


@pytest.fixture
def folder(tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the profile, which is worked in."""
    (tmp_path / "profile.json").write_bytes(reference.read_bytes())
    (tmp_path / "labels.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def predicted(found: list[dict[str, Any]], begin: float = BEGIN) -> list[dict[str, Any]]:
    """Return the events of rows, each with a trace."""
    made = events([{name: row[name] for name in row if name not in ("y_pred", "y_true")} for row in found], begin)
    for at, (event, row) in enumerate(zip(made, found, strict=True)):
        event["prediction"]["y_pred"] = row["y_pred"]
        event |= {"trace_id": f"t-{begin:.0f}-{at // 2}", "row": at % 2}
    return made


def by_id(found: list[dict[str, Any]], begin: float = BEGIN) -> list[dict[str, Any]]:
    """Return the labels of rows, by the ids of their events."""
    return [{"id": f"e-{begin:.0f}-{at}", "y_true": row["y_true"]} for at, row in enumerate(found)]


def reason(report: Report, id: str) -> tuple[str, str | None]:
    """Return the status and the reason of a check."""
    (check,) = [check for check in report.checks if check.id.startswith(id)]
    return str(check.status), check.reason


def narrow(score: float) -> float:
    """Return a score nearer to where the model knows nothing."""
    return round(0.5 + (score - 0.5) * 0.4, 4)


@pytest.mark.parametrize(
    ("wrong", "changed", "origin", "outputs"),
    [
        (0.0, {}, ("passed", None), ("false", "false")),
        (0.3, {}, ("failed", "concept-drift"), ("true", "false")),
        (0.3, {"income": lambda value: value * 1.3}, ("failed", "concept-drift"), ("true", "false")),
        (0.0, {"y_score": narrow}, ("failed", "covariate-shift"), ("true", "true")),
    ],
)
def test_performance__realised_beside_estimated(
    folder: Path, wrong: float, changed: dict[str, Any], origin: tuple[str, str | None], outputs: tuple[str, str]
) -> None:
    """A model that keeps its performance passes; one that got worse fails, and what follows depends on why: where the
    same inputs lead to other outcomes nobody retrains, however much the inputs drifted as well."""
    found = labelled(3_000, 5, wrong, **changed)
    append(folder / "events.jsonl", predicted(found))
    append(folder / "labels.jsonl", by_id(found))

    (report,) = worker(folder, **LABELLED).drain(AFTER)
    (realised,) = report.metrics["realised_performance"]
    truth = float(np.mean([row["y_pred"] == row["y_true"] for row in found]))
    promised = float(np.mean([max(row["y_score"], 1 - row["y_score"]) for row in found]))

    assert reason(report, "drift-origin") == origin
    assert reason(report, "performance:") == (origin[0], "performance-dropped" if origin[1] else None)
    assert (report.outputs["drift"], report.outputs["retrain"]) == outputs
    assert realised["realised_accuracy"] == pytest.approx(truth)
    assert realised["expected_accuracy"] == pytest.approx(promised)
    inside = realised["expected_accuracy_lower"] <= truth <= realised["expected_accuracy_upper"]
    assert inside == (wrong == 0)
    assert any("were to be expected" in check.message for check in report.checks)


def test_labels__odd_ones_counted(folder: Path) -> None:
    """Labels may come before their predictions, by id or by trace and row; those that come twice, contradict others,
    name nothing or are none are counted, and contested predictions are in no loss."""
    found = labelled(1_000, 2)
    names = by_id(found)
    traced = [
        {"trace_id": f"t-{BEGIN:.0f}-{at // 2}", "row": at % 2, "y_true": found[at]["y_true"]} for at in range(400)
    ]
    early = [*traced[:100], {"id": "nobody", "y_true": 1}]
    append(folder / "labels.jsonl", early)
    running = worker(folder, **LABELLED, wait=600)
    running.drain(BEGIN)
    append(folder / "events.jsonl", predicted(found))
    against = [{"id": f"e-{BEGIN:.0f}-{at}", "y_true": 1 - found[at]["y_true"]} for at in range(10)]
    odd: list[dict[str, Any] | str] = ["{", '{"id": "e"}', '{"y_true": 1}', '{"id": "e", "y_true": null}']
    append(folder / "labels.jsonl", [*traced[100:], *names[:400], *names[400:900], *against, *odd])
    (first,) = running.drain(AFTER)
    append(folder / "events.jsonl", predicted(labelled(500, 3), BEGIN + HOUR))
    (second,) = running.drain(AFTER + HOUR)

    assert reason(first, "performance") == ("inconclusive", "labels-awaited")
    assert reason(first, "labels") == ("failed", "unusable-labels")
    assert "byte" in next(check.message for check in first.checks if check.id == "labels")
    awaiting = running.worker.state.windows.awaiting
    assert awaiting is not None and awaiting.waiting == 500
    assert dict(awaiting.totals) == {
        "joined": 900,
        "duplicate": 400,
        "conflicting": 10,
        "unreadable": 4,
        "unmatched": 1,
    }
    (realised,) = second.metrics["realised_performance"]
    assert (realised["labelled"], realised["awaited"]) == (890, 1_000)
    assert "10 more have labels that contradict each other" in str([check.message for check in second.checks])


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_too_few_labels__inconclusive(folder: Path, share: float) -> None:
    """A window whose labels do not come, or hardly any, is never a pass."""
    found = labelled(1_000, 2)
    append(folder / "events.jsonl", predicted(found))
    append(folder / "labels.jsonl", by_id(found)[: int(1_000 * share)])

    (report,) = worker(folder, **LABELLED).drain(AFTER)

    assert reason(report, "performance:") == ("inconclusive", "too-few-labels")
    assert (report.status, report.outputs["retrain"]) == (Status.INCONCLUSIVE, "false")


def test_old_profile__concept_drift_cannot_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile without performance is read as before, and says that concept drift cannot be judged: never a pass."""
    monkeypatch.chdir(tmp_path)
    write_profile(tmp_path)
    found = labelled(1_000, 2, 0.5)
    append(tmp_path / "events.jsonl", predicted(found))
    append(tmp_path / "labels.jsonl", by_id(found))

    (report,) = worker(tmp_path, **LABELLED).drain(AFTER)

    assert reason(report, "performance") == ("inconclusive", "no-baseline")
    assert report.status is Status.INCONCLUSIVE


def test_without_probabilities__people_decide(folder: Path) -> None:
    """Where nothing tells whether inputs or target changed, a model that got worse is not retrained by itself."""
    known = profile.read(folder / "profile.json")
    assert known.performance
    told: Any = {"told": 0, "expected": 0.0, "expected_squares": 0.0, "cross": 0.0}
    bare = replace(known.performance, positive_label=None, losses=replace(known.performance.losses, **told))
    profile.write(folder / "profile.json", replace(known, performance=bare))
    found = labelled(2_000, 2, 0.3, income=lambda value: value * 1.3)
    append(folder / "events.jsonl", predicted(found))
    append(folder / "labels.jsonl", by_id(found))

    (report,) = worker(folder, labels="labels.jsonl").drain(AFTER)

    assert reason(report, "drift-origin") == ("failed", "origin-unknown")
    assert report.outputs == {"drift": "true", "retrain": "false", "worst-feature": "income"}


def test_restart__waits_on(folder: Path) -> None:
    """Workers that follow each other join what one does that never ended, each label once."""
    found = labelled(1_200, 2)
    names, made = by_id(found), predicted(found)
    for part in range(4):
        mine = slice(300 * part, 300 * part + 300)
        append(folder / "labels.jsonl", names[mine] if part % 2 else [])
        append(folder / "events.jsonl", made[mine])
        worker(folder, **LABELLED).drain(BEGIN + HOUR)
        append(folder / "labels.jsonl", [] if part % 2 else names[mine])
    last = worker(folder, **LABELLED)
    (report,) = last.drain(AFTER)
    (realised,) = report.metrics["realised_performance"]

    assert (realised["labelled"], realised["loss"]) == (
        1_200,
        pytest.approx(float(np.mean([row["y_pred"] != row["y_true"] for row in found]))),
    )
    assert last.worker.state.windows.awaiting is not None
    assert dict(last.worker.state.windows.awaiting.totals) == {"joined": 1_200}


def test_memory__bounded(folder: Path) -> None:
    """More predictions than may wait push out the oldest, and more labels than may wait too: both are told."""
    found = labelled(3_000, 2)
    append(folder / "labels.jsonl", [{"id": f"x{at}", "y_true": 1} for at in range(2_500)])
    append(folder / "events.jsonl", predicted(found))
    running = worker(folder, **LABELLED, most=1_000)
    running.drain(BEGIN + HOUR)
    awaiting = running.worker.state.windows.awaiting
    assert awaiting is not None
    assert (len(awaiting.predictions), len(awaiting.labels)) == (1_000, 1_000)
    append(folder / "labels.jsonl", by_id(found))
    (report,) = running.drain(AFTER)
    (realised,) = report.metrics["realised_performance"]

    assert (realised["labelled"], realised["awaited"]) == (1_000, 3_000)
    assert "2,000 had to make room" in str([check.message for check in report.checks])
    assert awaiting.totals["unmatched"] == 3_500


def test_numbers__mean_absolute_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predicted numbers are held against their labels by the mean absolute error, as a share of the reference's."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    table = pl.DataFrame(rows(2_000, 1)).with_columns(y_pred=pl.Series(rng.normal(50, 5, 2_000)))
    table = table.with_columns(y_true=pl.col("y_pred") + pl.Series(rng.normal(0, 1, 2_000)))
    table.write_parquet("test.parquet")
    save("--task", "regression")
    found = rows(1_000, 2)
    for row, error in zip(found, rng.normal(0, 1.5, 1_000), strict=True):
        row |= {"y_pred": 50.0, "y_true": round(50 + float(error), 3)}
    append(tmp_path / "events.jsonl", predicted(found))
    append(tmp_path / "labels.jsonl", by_id(found))

    (report,) = worker(tmp_path, labels="labels.jsonl").drain(AFTER)
    (realised,) = report.metrics["realised_performance"]

    assert reason(report, "performance:") == ("failed", "performance-dropped")
    assert realised["loss"] == pytest.approx(float(np.mean([abs(row["y_true"] - 50) for row in found])))
    assert reason(report, "drift-origin") == ("failed", "origin-unknown")
