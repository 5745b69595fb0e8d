"""`cd4ml monitor`: one look with a verdict, a worker that shows its metrics, and what kill -9 may not do to counts."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from cd4ml.cli import main
from cd4ml.report.reading import read_file
from cd4ml.retraining.window import window
from tests.conftest import ROOT, clean_environment, need_program
from tests.platform import Platform, serve
from tests.worker.test_labels import by_id, labelled, predicted, save
from tests.worker.stream import append, events, rows, write_profile

HOUR = 3600.0


def last_hour() -> float:
    """Return when the newest hour began whose events can no longer be late."""
    return (time.time() - 301) // HOUR * HOUR - HOUR


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a reference, to be monitored."""
    write_profile(tmp_path)
    (tmp_path / "cd4ml.yaml").write_text("detect-drift: {reference: profile.json, exclude: [y_score]}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def watching(folder: Path, *arguments: str, block: int = 1 << 23) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the worker in a folder; yields it with the address of its metrics, and ends it if it still runs."""
    rooms = "from cd4ml.worker import program as p; from cd4ml.worker.sources import files as f"
    start = f"{rooms}; f._BLOCK, p.COMMIT_SECONDS = {block}, 0; import cd4ml.__main__"
    command = [sys.executable, "-c", start, "monitor", "--events", "events.jsonl", "--metrics-port", "0", *arguments]
    environ = clean_environment(PYTHONPATH=str(ROOT))
    with subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", told)
            assert found, told
            yield process, found[0]
        finally:
            process.kill()


def asked(address: str) -> str:
    """Return what an address answers."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        return str(answer.read().decode())


def test_once__the_report_of_detect_drift(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One look writes detect-drift's report about the newest window, with its exit code; request-retraining reads it.
    A second look finds nothing new, which is no pass."""
    append(project / "events.jsonl", events(rows(900, seed=2, income=lambda value: value * 1.3), last_hour()))

    assert main(["monitor", "--events", "events.jsonl", "--once"]) == 1
    found = window(read_file(Path("reports/detect-drift.json"), "detect-drift", whole=False).report)
    assert (found.drifted, found.retrain, found.worst_feature) == (True, True, "income")
    assert found.data and "income" in capsys.readouterr().out

    assert main(["monitor", "--events", "events.jsonl", "--once"]) == 4
    assert json.loads(Path("reports/detect-drift.json").read_text())["status"] == "inconclusive"


def test_retraining__asked_once_on_drift_that_lasts(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two windows that drifted ask once, by an issue and an event; where GitHub is away nothing is taken for asked."""
    configuration = (project / "cd4ml.yaml").read_text()
    (project / "cd4ml.yaml").write_text(configuration + "request-retraining: {violations: 2, windows: 3}\n")
    drifted = {"income": lambda value: value * 1.3}
    begin = last_hour() - 3 * HOUR
    look = ["monitor", "--events", "events.jsonl", "--once", "--request-retraining"]
    github = Platform()
    with serve(github):
        for name, value in (("API_URL", github.address), ("REPOSITORY", "owner/model")):
            monkeypatch.setenv(f"GITHUB_{name}", value)
        monkeypatch.setenv("CD4ML_GITHUB_TOKEN", "t0ken")
        append(project / "events.jsonl", events(rows(400, seed=2, **drifted), begin))
        for hour in (1, 2, 3):
            append(project / "events.jsonl", events(rows(400, seed=hour, **drifted), begin + hour * HOUR))
        assert main(look) == 1
        asked = read_file(Path("reports/request-retraining.json"), "request-retraining").report

    assert asked.outputs == {"requested": "true", "request": "1"}
    assert len(github.issues) == len(github.dispatches) == 1
    assert github.dispatches[0]["client_payload"]["worst_feature"] == "income"
    assert "Request #1 was made" in capsys.readouterr().err


def test_concept_drift__calls_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels that show concept drift open an issue, and send no event: nothing is retrained, although a feature drifted
    as well."""
    monkeypatch.chdir(tmp_path)
    pl.DataFrame(labelled(3_000, seed=1)).write_parquet("test.parquet")
    save("--positive-label", "1")
    Path("cd4ml.yaml").write_text(
        "detect-drift: {reference: profile.json}\nrequest-retraining: {violations: 1, windows: 1}\n"
    )
    found = labelled(2_000, 2, 0.3, income=lambda value: value * 1.3)
    append(Path("events.jsonl"), predicted(found, last_hour()))
    append(Path("labels.jsonl"), by_id(found, last_hour()))
    github = Platform()
    with serve(github):
        for name, value in (("API_URL", github.address), ("REPOSITORY", "owner/model")):
            monkeypatch.setenv(f"GITHUB_{name}", value)
        monkeypatch.setenv("CD4ML_GITHUB_TOKEN", "t0ken")
        look = ["monitor", "--events", "events.jsonl", "--labels", "labels.jsonl", "--once", "--request-retraining"]
        assert main([*look, "--positive-label", "1"]) == 1

    assert (len(github.issues), len(github.dispatches)) == (1, 0)
    assert "investigation needed" in github.issues[0]["title"]
    report = json.loads(Path("reports/detect-drift.json").read_text())
    assert {check.get("reason") for check in report["checks"]} >= {"concept-drift", "performance-dropped"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--events", "nowhere/events.jsonl"], 3, "nowhere/events.jsonl does not exist"),
        (["--events", "mqtt://broker/topic"], 2, "mqtt://… is not read"),
        (["--events", "events.jsonl", "--window", "soon"], 2, "window must be a span"),
        (["--events", "events.jsonl", "--maximum-broken", "1"], 2, "maximum-broken must be at least 0 and below 1"),
        (["--events", "events.jsonl", "--labels", "mqtt://broker/topic"], 2, "mqtt://… is not read"),
        (["--events", "events.jsonl", "--label-wait", "long"], 2, "label-wait must be a span"),
        (["--events", "events.jsonl", "--awaited", "5"], 2, "awaited must be at least 1000"),
        (["--events", "events.jsonl", "--state", "cd4ml.yaml"], 2, "state: expected a file that ends in .npz"),
        (["--events", "events.jsonl", "--config", "other.yaml"], 2, "has no section detect-drift"),
    ],
)
def test_bad_input__one_sentence(
    project: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be watched is refused by the code and the sentence of its kind."""
    (project / "other.yaml").write_text("{}\n")

    assert main(["monitor", "--once", *arguments]) == code
    shown = capsys.readouterr()
    assert message in shown.out + shown.err


def test_metrics__by_http(project: Path) -> None:
    """The worker shows what it counts; promtool has nothing to say, and SIGTERM ends it."""
    promtool = need_program("promtool")
    append(project / "events.jsonl", events(rows(900, seed=2, income=lambda value: value * 1.3), last_hour()))
    with watching(project) as (process, address):
        end = time.monotonic() + 60
        while (
            'windows_total{status="failed"} 1' not in (text := asked(f"{address}/metrics")) and time.monotonic() < end
        ):
            time.sleep(0.1)
        assert asked(f"{address}/health") == "ok\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            asked(f"{address}/other")
        process.terminate()
        assert process.wait(60) == 143

    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert 'cd4ml_monitor_windows_total{status="failed"} 1' in text
    assert "cd4ml_monitor_drift 1" in text and 'cd4ml_monitor_failed_checks{rule="drift"} 1' in text
    assert re.search(r'population_stability_index\{feature="income"\} [1-9]', text)


def test_killed__nothing_lost_or_doubled(project: Path) -> None:
    """Killed at random points under a stream that repeats itself, workers count each event once, and all of them."""
    begin = last_hour()
    whole = events(rows(4_000, seed=2), begin)
    append(project / "events.jsonl", [*whole[:2_500], *whole[2_000:], *whole[:500]])
    rng = random.Random(7)
    for _ in range(3):
        with watching(project, block=20_000) as (process, _address):
            time.sleep(rng.random() * 0.3)
            process.kill()

    assert main(["monitor", "--events", "events.jsonl", "--once"]) == 0
    report = json.loads(Path("reports/detect-drift.json").read_text())
    assert report["metrics"]["rows"]["current"] == 4_000
