"""The drift worker: windows of events are judged as detect-drift judges tables, whatever else comes in between."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError
from cd4ml.report import ModelIdentity, Status
from cd4ml.worker import state
from cd4ml.worker.sources import files
from tests.worker.stream import BEGIN, append, events, rows, stamp, worker, write_profile

HOUR = 3600.0
AFTER = BEGIN + HOUR + 301


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile."""
    return write_profile(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def folder(tmp_path: Path, reference: Path) -> Path:
    """A folder with the profile."""
    (tmp_path / "profile.json").write_bytes(reference.read_bytes())
    return tmp_path


def test_like_the_reference__passed(folder: Path) -> None:
    """Events of the training population pass once their window has ended, and not before."""
    append(folder / "events.jsonl", events(rows(2_000, seed=2), BEGIN))
    running = worker(folder)

    assert running.drain(BEGIN + HOUR) == []
    (report,) = running.drain(AFTER)

    assert (report.status, report.stage) == (Status.PASSED, "detect-drift"), report.summary
    assert report.outputs["drift"] == "false"
    assert {check.id for check in report.checks} >= {"events", "drift:age", "drift:y_score", "type:vip"}
    assert [item.rows for item in report.inputs] == [4_000, 2_000]
    assert report.details["window"] == {"begin": stamp(BEGIN)[:19] + "Z", "end": stamp(BEGIN + HOUR)[:19] + "Z"}


def test_drift__worst_feature_named_and_retraining_called_for(folder: Path) -> None:
    """A real shift of a feature fails, is named, and calls for retraining."""
    append(folder / "events.jsonl", events(rows(2_000, seed=2, income=lambda value: value * 1.2), BEGIN))

    (report,) = worker(folder).drain(AFTER)

    assert report.status is Status.FAILED
    assert report.outputs == {"drift": "true", "retrain": "true", "worst-feature": "income"}


@pytest.mark.parametrize(
    ("feature", "change", "failed"),
    [
        ("income", lambda value: str(value), "type:income"),
        ("age", lambda value: None if value % 2 else [value], "type:age"),
        ("city", lambda value: 3, "type:city"),
        ("vip", lambda value: int(value), "type:vip"),
        ("income", lambda value: value / 1000, "in_range:income"),
        ("age", lambda value: value + 0.5, "whole-numbers:age"),
        ("city", lambda value: value.upper(), "isin:city"),
        ("age", lambda value: None, "not-nullable:age"),
    ],
)
def test_changed_upstream__named_and_no_retraining(
    folder: Path, feature: str, change: Callable[[Any], Any], failed: str
) -> None:
    """A type, a unit, a code or a gap that came from upstream is named, and calls people: retraining would learn it."""
    schema = folder / "schema.yaml"
    schema.write_text(SCHEMA)
    append(folder / "events.jsonl", events(rows(600, seed=2, **{feature: change}), BEGIN))

    (report,) = worker(folder, schema=str(schema)).drain(AFTER)
    found = {check.id: check.status for check in report.checks}

    assert found[failed] is Status.FAILED
    assert report.status in (Status.FAILED, Status.ERROR)
    assert report.outputs["retrain"] == "false"
    rules = ("type:", "in_range:", "isin:", "not-nullable:", "whole-numbers:")
    others = {name for name, status in found.items() if status is Status.FAILED and name.startswith(rules)}
    assert {name.partition(":")[2] for name in others} == {feature}


SCHEMA = """\
schema_type: dataframe
version: 0.35.0
columns:
  age:
    dtype: int64
    nullable: false
    checks: {greater_than_or_equal_to: 18}
  income:
    dtype: float64
    nullable: true
    checks: {in_range: {min_value: 1000, max_value: 200000}}
  city:
    dtype: str
    nullable: true
    checks: {isin: [Oslo, Rome, Lima]}
"""


def test_no_event__never_a_pass(folder: Path) -> None:
    """A window without events is inconclusive, at the start as after others, and so is one of other tracks alone."""
    (folder / "events.jsonl").touch()
    running = worker(folder)
    (silent,) = running.drain(AFTER)
    append(folder / "events.jsonl", [one | {"track": "shadow"} for one in events(rows(50, seed=2), BEGIN + HOUR)])
    (other,) = running.drain(AFTER + HOUR)

    assert [report.status for report in (silent, other)] == [Status.INCONCLUSIVE, Status.INCONCLUSIVE]
    assert silent.outputs["drift"] == "unknown" and "50 of other tracks" in other.summary


def test_odd_events__counted_and_named(folder: Path) -> None:
    """Duplicates, late, future, refused and unreadable events change no count of a window; each is told by its kind."""
    whole = events(rows(1_000, seed=2), BEGIN)
    append(folder / "events.jsonl", whole)
    running = worker(folder)
    (clean,) = running.drain(AFTER)
    odd: list[dict[str, Any] | str] = [
        *whole[:7],
        *events(rows(5, seed=3), BEGIN + 10, name="late"),
        *events(rows(4, seed=3), AFTER + 10 * HOUR, name="future"),
        *({"id": f"r{n}", "time": stamp(AFTER), "track": "stable", "status": 422} for n in range(3)),
        *["{", '{"id": "x"}', "null"],
    ]
    append(folder / "events.jsonl", [*odd, *events(rows(500, seed=4), BEGIN + HOUR)])
    (report,) = running.drain(AFTER + HOUR)

    assert clean.status is Status.PASSED
    assert running.counts == {
        "counted": 1_500,
        "duplicate": 7,
        "late": 5,
        "future": 4,
        "not-answered": 3,
        "unreadable": 3,
    }
    assert report.details["not_used"]["late"] == [f"late-{BEGIN + 10:.0f}-{n}" for n in range(5)]
    assert "events.jsonl, byte" in report.details["not_used"]["unreadable"][0]
    assert report.status is Status.PASSED


def test_unreadable__a_share_above_the_limit_fails(folder: Path) -> None:
    """Where too much of a stream is no event, what is left does not pass for it."""
    append(folder / "events.jsonl", [*events(rows(600, seed=2), BEGIN), *["broken"] * 10])

    (report,) = worker(folder).drain(AFTER)
    found = {check.id: check for check in report.checks}

    assert found["unreadable-events"].status is Status.FAILED
    assert (report.outputs["retrain"], report.status) == ("false", Status.FAILED)


OWN = ModelIdentity(uri="models:/credit@champion", sha256="a" * 64)


@pytest.mark.parametrize(
    ("model", "digests", "status"),
    [
        (OWN, ["a"], "passed"),
        (OWN, ["a", ""], "passed"),
        (OWN, ["b"], "inconclusive"),
        (OWN, ["a"] * 599 + ["b"], "inconclusive"),
        (None, ["b"], "passed"),
        (None, ["a", "b"], "inconclusive"),
    ],
)
def test_another_model__not_compared_with_the_reference(
    folder: Path, model: ModelIdentity | None, digests: list[str], status: str
) -> None:
    """A window that another model than the reference's answered is named and inconclusive, however much it drifted."""
    changed = {} if status == "passed" else {"income": lambda value: value * 1.3}
    found = events(rows(600, seed=2, **changed), BEGIN)
    for at, one in enumerate(found):
        one["model"]["sha256"] = digests[at % len(digests)] * 64 or None
    append(folder / "events.jsonl", found)

    (report,) = worker(folder, model=model).drain(AFTER)
    (check,) = [check for check in report.checks if check.id == "model"]

    assert (report.status, check.status) == (status, status)
    assert report.outputs["drift"] == ("false" if status == "passed" else "unknown")
    assert report.outputs["retrain"] == "false"
    assert status == "passed" or "bbbbbbbbbbbb" in report.summary


def test_restart__goes_on_where_it_was(folder: Path) -> None:
    """Workers that follow each other, with a rotation between them, count as one does that never ended."""
    parts = [events(rows(300, seed=n), BEGIN + 600 * n, 600.0) for n in range(5)]
    current = folder / "events.jsonl"
    for number, part in enumerate(parts):
        append(current, part)
        if number in (1, 3):
            for old in (2, 1):
                if (name := folder / f"events.jsonl.{old}").exists():
                    name.rename(folder / f"events.jsonl.{old + 1}")
            current.rename(folder / "events.jsonl.1")
            current.touch()
        worker(folder).drain(BEGIN + 600 * (number + 1))
    (report,) = worker(folder).drain(AFTER)
    whole = folder / "whole"
    whole.mkdir()
    (whole / "profile.json").write_bytes((folder / "profile.json").read_bytes())
    append(whole / "events.jsonl", [one for part in parts for one in part])
    (expected,) = worker(whole).drain(AFTER)

    assert report.inputs[1].sha256 == expected.inputs[1].sha256
    assert report.inputs[1].rows == 1_500
    assert worker(folder).drain(AFTER) == []


def test_crashes__nothing_lost_or_doubled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often workers end between reading, judging and keeping, each event is counted once, and all of them."""
    monkeypatch.setattr(files, "_BLOCK", 9_000)
    whole = events(rows(1_500, seed=2), BEGIN)
    append(folder / "events.jsonl", [*whole[:900], *whole[600:]])
    rng = random.Random(3)
    for _ in range(25):
        worker(folder).crash(rng.randrange(4), AFTER, monkeypatch)
    reports = [report for report in worker(folder).drain(AFTER) if report.status is not Status.INCONCLUSIVE]

    assert [report.inputs[1].rows for report in reports] == [1_500]


@pytest.mark.parametrize(
    ("limit", "status"), [(None, "passed"), (0.6, "passed"), (0.67, "inconclusive"), (0.8, "failed")]
)
def test_estimate__before_labels(folder: Path, limit: float | None, status: str) -> None:
    """The accuracy that the probabilities promise survives a restart, and is held against its limit by its interval."""
    found = events(rows(1_000, seed=2), BEGIN)
    for one in found:
        one["prediction"]["y_pred"] = int(one["prediction"]["y_score"] >= 0.5)
    scores = [one["prediction"]["y_score"] for one in found]
    told: dict[str, Any] = {"positive_label": "1", "minimum_accuracy": limit}
    append(folder / "events.jsonl", found[:400])
    worker(folder, **told).drain(BEGIN + HOUR)
    append(folder / "events.jsonl", found[400:])
    (report,) = worker(folder, **told).drain(AFTER)
    (check,) = [check for check in report.checks if check.id == "estimated-accuracy"]

    assert check.value == pytest.approx(sum(max(score, 1 - score) for score in scores) / 1_000)
    assert (check.status, check.n) == (status, 1_000)
    assert report.metrics["estimated_performance"]["expected_accuracy_lower"] < check.value


def test_half_a_line__waits_for_its_end(folder: Path) -> None:
    """A line that is being written is read once, when it is whole."""
    path = append(folder / "events.jsonl", events(rows(3, seed=2), BEGIN, 60.0))
    text = append(folder / "more", events(rows(2, seed=3), BEGIN + 10, 60.0, name="m")).read_text()
    running = worker(folder)
    cuts = [0, 40, 400, len(text) - 1, len(text)]
    seen = []
    for start, end in itertools.pairwise(cuts):
        with path.open("a") as file:
            file.write(text[start:end])
        running.drain(BEGIN + 100)
        seen.append(running.counts["counted"])

    assert running.counts == {"counted": 5}
    assert seen == [3, 4, 5, 5]


def test_state__damaged_or_in_use_refused(folder: Path) -> None:
    """A state that was cut is refused in one sentence, and so is a second worker."""
    append(folder / "events.jsonl", events(rows(100, seed=2), BEGIN))
    worker(folder).drain(BEGIN + HOUR)
    path = folder / "state.npz"
    with state.alone(path), pytest.raises(OptionsError, match="another worker uses"), state.alone(path):
        pass
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(OptionsError, match="not a state of cd4ml monitor, or it is damaged"):
        worker(folder)


def test_another_reference__offsets_stay_and_open_counts_are_told(folder: Path) -> None:
    """After a new reference nothing is read twice, and what was counted in other cells is said to be left out."""
    append(folder / "events.jsonl", events(rows(400, seed=2), BEGIN, 1800.0))
    worker(folder).drain(BEGIN + 1800)
    write_profile(folder, 3_000)
    append(folder / "events.jsonl", events(rows(400, seed=3), BEGIN + 1800, 1700.0))
    (report,) = worker(folder).drain(AFTER)

    assert report.inputs[1].rows == 400
    assert "400 events were counted on another reference and are left out" in report.checks[0].message


def test_new_categories_without_end__bounded(folder: Path) -> None:
    """A stream that makes up categories fills no memory; its share of unseen values stays exact."""
    found = [row | {"city": f"c{at}"} for at, row in enumerate(rows(200, seed=2) * 60)]
    append(folder / "events.jsonl", events(found, BEGIN))
    running = worker(folder, remembered=1_000)
    running.drain(BEGIN + 10)
    (counted,) = running.worker.state.windows.open.values()
    (report,) = running.drain(AFTER)

    assert len(counted.cells["city"].counts) <= 10_004
    assert report.metrics["features"]["city"]["unseen"] == 1.0
    memory = running.worker.state.windows.memory
    assert len(memory.older) + len(memory.newer) <= 12_000
