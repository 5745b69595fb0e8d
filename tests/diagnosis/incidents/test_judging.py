"""Each incident at its edges, two at once, and all ways in which nothing can be told: by files that are made here."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cd4ml.cli import main
from cd4ml.diagnosis.incidents.values import DEFAULTS
from tests import events as made
from tests import reports
from tests.conftest import ROOT
from tests.diagnosis.incidents.asking import diagnosed

SINCE = datetime(2027, 1, 15, 8, tzinfo=UTC)
MEMORY = "resources:\n  limits:\n    memory: {}\n"
KILLED = 'kube_pod_container_status_last_terminated_reason{{pod="credit-1",reason="OOMKilled"}} {}\n'
METRICS = "cd4ml_model_ready {ready}\n" 'cd4ml_worker_restarts_total{{reason="SIGKILL"}} {kills}\n'
Diagnose = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def diagnose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Diagnose:
    """Return a function that runs the command and returns each incident's answer; its JSON is as published."""
    monkeypatch.chdir(tmp_path)
    return partial(diagnosed, tmp_path, capsys)


def asked(
    rows: int, *, times: int, milliseconds: float, seed: int, at: datetime = SINCE, text: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield the events of requests of so many rows each, which take so long give or take a fifth."""
    rng = np.random.default_rng(seed)
    for request in range(times):
        latency = round(float(milliseconds * rng.uniform(0.8, 1.2)), 3)
        for row in range(rows):
            event = one(f"{seed}-{request}-{row}", at, {"note": text}, 0)
            yield event | {"latency_ms": latency, "rows": rows}


def one(name: str, at: datetime, features: Mapping[str, Any], y_pred: Any) -> dict[str, Any]:
    """Return an event of one row."""
    return {
        "id": name,
        "time": at.isoformat(),
        "track": "stable",
        "model": {"name": "credit", "version": "7", "sha256": "a" * 64},
        "status": 200,
        "latency_ms": 5.0,
        "rows": 1,
        "features": features,
        "prediction": {"y_pred": y_pred, "y_score": None},
    }


def people(rows: int, seed: int, **changed: Callable[[Any], Any]) -> list[tuple[dict[str, Any], int]]:
    """Return rows with what a model answers that was trained without the changes of its columns."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rows):
        row: dict[str, Any] = {
            "income": round(float(rng.lognormal(10, 0.4)), 2),
            "city": str(rng.choice(["Oslo", "Rome"])),
            "age": int(rng.integers(18, 80)),
        }
        row |= {name: change(row[name]) for name, change in changed.items()}
        income = row["income"] if isinstance(row["income"], int | float) else 0.0
        found.append((row, int(income * (0.7 if row["city"] == "Oslo" else 1.4) > 22_000)))
    return found


def before_and_after(
    folder: Path, *, rows: int = 400, after: int | None = None, **changed: Callable[[Any], Any]
) -> None:
    """Write the events of people who come before `SINCE`, and of others who come changed after it."""
    events = []
    for side, start, number in ((0, -60, rows), (1, 0, after or rows)):
        for place, (row, answer) in enumerate(people(number, side, **(changed if side else {}))):
            at = SINCE + timedelta(minutes=start) + timedelta(seconds=place * 3000 / number)
            events.append(one(f"{side}-{place}-0", at, row, answer))
    made.write(folder / "events.jsonl", events)


def said(judged: Mapping[str, Any]) -> str:
    """Return everything that is said of an incident."""
    return json.dumps(judged, ensure_ascii=False)


def test_latency__two_sizes(tmp_path: Path, diagnose: Diagnose) -> None:
    """Large requests that break the limit are found, and the largest size that meets it is what the setting becomes."""
    events = [*asked(1, times=300, milliseconds=2, seed=1), *asked(50, times=30, milliseconds=80, seed=2)]
    made.write(tmp_path / "events.jsonl", [*events, *asked(400, times=15, milliseconds=5000, seed=3)])
    (tmp_path / "values.yaml").write_text("env:\n  WORKERS: 1\n  MAX_ROWS: 500\n")

    judged = diagnose("--events", "events.jsonl", "--values", "values.yaml", code=1)["latency-grows-with-input"]

    assert judged["answer"] == "found" and "requests of 400 rows and more break the limit of 500 ms" in judged["told"]
    assert judged["changes"][0] == {
        "place": "values.yaml:3",
        "key": "env.MAX_ROWS",
        "now": "500",
        "to": '"50", and larger tables in several requests',
    }
    (group,) = (one for one in judged["evidence"] if one["says"].startswith("400 rows: 15 of 15"))
    assert group["source"] == "events.jsonl" and group["value"] == 1.0 and group["interval"]["lower"] > 0.6


def test_latency__long_texts(tmp_path: Path, diagnose: Diagnose) -> None:
    """Where every request has one row, the length of what it holds explains the latency."""
    short, long = asked(1, times=300, milliseconds=2, seed=1), asked(
        1, times=20, milliseconds=900, seed=2, text="x" * 9000
    )
    made.write(tmp_path / "events.jsonl", [*short, *long])

    judged = diagnose("--events", "events.jsonl", code=1)["latency-grows-with-input"]

    assert judged["answer"] == "found" and judged["changes"][0]["key"] == "env.BODY_BYTES"


@pytest.mark.parametrize(
    ("large", "small", "number", "answer", "told"),
    [
        (80.0, 2.0, 20, "not-this", "99 of 100 requests take at most 500 ms, whatever their size"),
        (900.0, 900.0, 20, "not-this", "requests are slow whatever their size"),
        (900.0, 2.0, 3, "cannot-tell", "3 of only 3 requests of 400 rows and more are slow"),
    ],
)
def test_latency__near_misses(
    large: float, small: float, number: int, answer: str, told: str, tmp_path: Path, diagnose: Diagnose
) -> None:
    """Large requests that are fast, requests of any size that are slow, and too few large ones are not the incident."""
    slow = asked(400, times=number, milliseconds=large, seed=2)
    made.write(tmp_path / "events.jsonl", [*asked(1, times=400, milliseconds=small, seed=1), *slow])

    judged = diagnose("--events", "events.jsonl", code=4)["latency-grows-with-input"]

    assert judged["answer"] == answer and told in judged["told"]


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("income", lambda value: value / 100, "divided by a hundred, as shares in percent"),
        ("income", lambda value: value * 12, "times twelve, as years in months"),
        ("income", lambda value: -value, "in the other sign"),
        ("income", lambda _: None, "is missing in 100% of rows, before in 0%"),
        ("income", lambda value: f"{value:.2f}".replace(".", ","), "was numbers, and is texts"),
        (
            "city",
            lambda value: value.upper() + "!",
            "has 2 categories that never came before, in 100% of rows; 2 of before",
        ),
    ],
)
def test_upstream__found(
    name: str, change: Callable[[Any], Any], says: str, tmp_path: Path, diagnose: Diagnose
) -> None:
    """A unit, a category, a kind or a column that changed upstream is named where predictions changed with it."""
    changed: Any = {name: change}
    before_and_after(tmp_path, **changed)

    judged = diagnose("--events", "events.jsonl", "--since", SINCE.isoformat(), code=1)["upstream-change"]

    assert judged["answer"] == "found" and f"`{name}` " in judged["told"] and says in judged["told"]
    assert [change["key"] for change in judged["changes"]] == [name, "env.OUT_OF_RANGE"]
    assert "OSLO!" not in said(judged)


def test_upstream__values_shown_if_asked(tmp_path: Path, diagnose: Diagnose) -> None:
    """Values of rows are in the evidence only where that was asked for."""
    before_and_after(tmp_path, city=lambda value: value.upper() + "!")

    judged = diagnose("--events", "events.jsonl", "--since", SINCE.isoformat(), "--include-values", code=1)

    assert "before: Oslo, Rome; now: OSLO!, ROME!" in said(judged["upstream-change"])


@pytest.mark.parametrize(
    ("changed", "rows", "after", "answer", "told"),
    [
        ({}, 500, 5000, "not-this", "predictions are as before"),
        ({"age": lambda value: value * 12}, 800, 800, "not-this", "though `age` changed"),
        ({"income": lambda value: value * 1.45}, 800, 800, "not-this", "no feature came in another unit"),
        ({}, 60, 60, "cannot-tell", "too few predictions to tell"),
        ({}, 40, 400, "cannot-tell", "predictions before and after the trouble began"),
    ],
)
def test_upstream__near_misses(
    changed: Any, rows: int, after: int, answer: str, told: str, tmp_path: Path, diagnose: Diagnose
) -> None:
    """Ten times the traffic, a unit that no prediction depends on, people who earn more, and too few are not it."""
    before_and_after(tmp_path, rows=rows, after=after, **changed)

    judged = diagnose("--events", "events.jsonl", "--since", SINCE.isoformat(), code=4)["upstream-change"]

    assert judged["answer"] == answer and told in judged["told"]


def test_upstream__refused_and_another_model(tmp_path: Path, diagnose: Diagnose) -> None:
    """Refusals hide what was sent, which is said; a model that changed in the same moment contradicts."""
    before_and_after(tmp_path, income=lambda value: value * 1000)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    later = [event for event in events if event["time"] >= SINCE.isoformat()]
    for event in later:
        event["model"]["sha256"] = "b" * 64
    made.write(tmp_path / "events.jsonl", events)
    both = diagnose("--events", "events.jsonl", "--since", SINCE.isoformat(), code=1)["upstream-change"]
    for event in later:
        event["status"] = 422
        del event["features"], event["prediction"]
    made.write(tmp_path / "events.jsonl", events)
    refused = diagnose("--events", "events.jsonl", "--since", SINCE.isoformat(), code=4)["upstream-change"]

    assert [one["says"][:13] for one in both["evidence"] if one["contradicts"]] == ["another model"]
    assert refused["answer"] == "cannot-tell" and refused["lacking"] == ["features in the events"]


def simulation(folder: Path, **details: Any) -> None:
    """Write the report of an image whose simulation measured this."""
    reports.write(folder / "reports", "build-image", details={"simulation": details})


FITS = {"ready_mib": 300.0, "startup_seconds": 4.0, "load": {"peak_mib": 420.0}}


@pytest.mark.parametrize(
    ("values", "more", "told", "to"),
    [
        (MEMORY.format("256Mi"), "", "needs 300 MiB once it is ready, and a pod may have 256 MiB", "576Mi"),
        (MEMORY.format("1Gi") + "env: {WORKERS: 4}\n", "", "needs 1,200 MiB once it is ready", "2112Mi"),
        (MEMORY.format("400Mi"), METRICS.format(ready=1, kills=2), "it starts, and dies under load", "576Mi"),
        (
            MEMORY.format("1Gi"),
            "cd4ml_model_ready 0\n" + KILLED.format(1),
            "the last end of a container was OOMKilled: credit-1",
            "twice",
        ),
    ],
)
def test_memory__found(values: str, more: str, told: str, to: str, tmp_path: Path, diagnose: Diagnose) -> None:
    """Too small a limit, too many workers, workers that die under load, and an OOMKilled container are found."""
    simulation(tmp_path, **FITS)
    (tmp_path / "values.yaml").write_text(values)
    (tmp_path / "metrics.txt").write_text(more)

    given = ["--metrics-file", "metrics.txt"] if more else []
    judged = diagnose("--values", "values.yaml", *given, code=1)["out-of-memory"]

    assert judged["answer"] == "found" and told in judged["told"]
    assert judged["changes"][0]["place"] == "values.yaml:3" and judged["changes"][0]["to"].startswith(to)
    against = [one["says"] for one in judged["evidence"] if one["contradicts"]]
    assert len(against) == (2 if "OOMKilled" in more else 0)


@pytest.mark.parametrize(
    ("values", "details", "more", "answer", "says"),
    [
        (MEMORY.format("1Gi"), FITS, "", "not-this", "needs 300 MiB once it is ready, of 1,024 MiB"),
        ("startupSeconds: 3\n", FITS, "", "not-this", "is restarted after 3 s: that is no OOM"),
        (MEMORY.format("400Mi"), FITS, "", "cannot-tell", "metrics: whether anything was killed"),
        (MEMORY.format("1Gi"), FITS, METRICS.format(ready=1, kills=2), "cannot-tell", "nothing says that memory"),
        (MEMORY.format("1Gi"), {"load": {"peak_mib": 300.0}}, "", "cannot-tell", "build it again"),
        (MEMORY.format("1Gi"), {}, "", "cannot-tell", "no report of the image says what memory it needs"),
        ("env: {WORKERS: auto}\n", FITS, "", "cannot-tell", "`auto` depends on the machine"),
    ],
)
def test_memory__near_misses(
    values: str, details: Any, more: str, answer: str, says: str, tmp_path: Path, diagnose: Diagnose
) -> None:
    """Enough memory, a slow start, and whatever leaves open whether there is enough are not the incident."""
    simulation(tmp_path, **details)
    (tmp_path / "values.yaml").write_text(values)
    (tmp_path / "metrics.txt").write_text(more)

    given = ["--metrics-file", "metrics.txt"] if more else []
    judged = diagnose("--values", "values.yaml", *given, code=4)["out-of-memory"]

    assert judged["answer"] == answer and says in said(judged)


def test_memory__of_another_image(tmp_path: Path, diagnose: Diagnose) -> None:
    """A report about another image than the values name is said to contradict."""
    outputs = {"image": f"ghcr.io/owner/credit@sha256:{'1' * 64}"}
    reports.write(tmp_path / "reports", "build-image", details={"simulation": FITS}, outputs=outputs)
    (tmp_path / "values.yaml").write_text(f"image: {{digest: 'sha256:{'2' * 64}'}}\n" + MEMORY.format("256Mi"))

    judged = diagnose("--values", "values.yaml", code=1)["out-of-memory"]

    assert [one["source"] for one in judged["evidence"] if one["contradicts"]] == ["values.yaml:1"]


def test_two_at_once__both_named(tmp_path: Path, diagnose: Diagnose) -> None:
    """Two incidents are both found, each with its own evidence; the third stays open."""
    before_and_after(tmp_path, income=lambda value: value * 1000)
    simulation(tmp_path, **FITS)
    (tmp_path / "values.yaml").write_text(MEMORY.format("256Mi"))

    found = diagnose("--events", "events.jsonl", "--since", SINCE.isoformat(), "--values", "values.yaml", code=1)

    assert [one["answer"] for one in found.values()] == ["not-this", "found", "found"]


def test_none__every_one_was_looked_for(tmp_path: Path, diagnose: Diagnose) -> None:
    """Exit code 0 needs all three: events on both sides, enough of them, limits, and memory that was measured."""
    before_and_after(tmp_path, rows=800)
    simulation(tmp_path, **FITS)
    (tmp_path / "values.yaml").write_text(MEMORY.format("1Gi"))
    whole = ["--events", "events.jsonl", "--since", SINCE.isoformat(), "--values", "values.yaml"]

    found = diagnose(*whole, code=0)
    for lacking in range(0, len(whole), 2):
        diagnose(*whole[:lacking], *whole[lacking + 2 :], code=4)

    assert {one["answer"] for one in found.values()} == {"not-this"}


def test_nothing_given(diagnose: Diagnose) -> None:
    """Without any source nothing can be told, and each incident says what it lacks."""
    found = diagnose(code=4)

    assert all(one["answer"] == "cannot-tell" and one["lacking"] for one in found.values())


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--events", None),
        ("--events", '{"id": "1", "time": "2027-01-15T08:00:00Z", "track": "canary", "status": 200}\n'),
        ("--metrics-file", None),
        ("--metrics-file", "go_goroutines 7\n"),
        ("--metrics-file", "cd4ml_model_ready one\n"),
        ("--values", None),
        ("--values", "resources: {limits: {memory: much}}\n"),
        ("--values", "- a list\n"),
        ("--prometheus", None),
    ],
)
def test_unreachable(option: str, content: str | None, tmp_path: Path, diagnose: Diagnose) -> None:
    """A source that was named and cannot be read, or holds something else, is said and is exit code 3."""
    place = "http://127.0.0.1:9/" if option == "--prometheus" else "source"
    if content is not None:
        (tmp_path / "source").write_text(content)

    found = diagnose(option, place, code=3)

    assert {one["answer"] for one in found.values()} == {"cannot-tell"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--prometheus", "http://127.0.0.1:9", "--metrics-file", "metrics.txt"],
        ["--maximum-p99-ms", "0"],
        ["--values-path", "credit"],
        ["--since", "yesterday"],
    ],
)
def test_options__refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Options that contradict each other or mean nothing are exit code 2 with what to do, and nothing is printed."""
    assert main(["diagnose", *arguments]) == 2

    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("cd4ml diagnose: ")


def test_umbrella__values_below_a_key(tmp_path: Path, diagnose: Diagnose) -> None:
    """In an umbrella chart's file the values stand below a key, and keep their lines."""
    simulation(tmp_path, **FITS)
    (tmp_path / "values.yaml").write_text("credit:\n  " + MEMORY.format("256Mi").replace("\n", "\n  ").strip() + "\n")

    judged = diagnose("--values", "values.yaml", "--values-path", "credit", code=1)["out-of-memory"]

    assert judged["changes"][0]["place"] == "values.yaml:4"


def test_defaults__are_the_charts() -> None:
    """What a values file leaves out is taken as the chart has it."""
    chart = yaml.safe_load((ROOT / "charts" / "model-server" / "values.yaml").read_text())

    assert chart["resources"]["limits"] == DEFAULTS["resources"]["limits"]
    assert chart["metrics"]["rules"]["p99Seconds"] == DEFAULTS["metrics"]["rules"]["p99Seconds"]
    assert chart["startupSeconds"] == DEFAULTS["startupSeconds"]


def test_page__example_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the page finds the incident that the page shows, in files of those names."""
    page = (ROOT / "docs" / "diagnose.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("$ cd4ml diagnose")]
    before_and_after(tmp_path, income=lambda value: value * 1000)
    simulation(tmp_path, **FITS)
    (tmp_path / "credit").mkdir()
    (tmp_path / "credit" / "values.yaml").write_text(MEMORY.format("1Gi"))
    outside = 'cd4ml_out_of_range_values_total{feature="income"} 400\ncd4ml_request_rows_sum{protocol="predict"} 800\n'
    (tmp_path / "metrics.txt").write_text(METRICS.format(ready=1, kills=0) + outside)
    monkeypatch.chdir(tmp_path)

    assert main(line.split()[2:]) == 1

    shown = capsys.readouterr().out
    for quoted in page.partition("```text\n")[2].partition("```")[0].splitlines():
        for part in quoted.replace("+", "").split("…"):
            if not any(mark.isdigit() for mark in part):
                assert part.strip() in shown, part
    assert "times a thousand, as kilometres in metres" in (tmp_path / "diagnosis.html").read_text()


def test_html__holds_what_the_document_holds(tmp_path: Path, diagnose: Diagnose) -> None:
    """Every answer, number, source and change is on the page as text; it replaces an earlier page and nothing else."""
    hostile = "<script>alert(1)</script>"
    before_and_after(tmp_path, income=lambda value: value * 1000, city=lambda value: hostile)
    given = ("--events", "events.jsonl", "--since", SINCE.isoformat(), "--include-values", "--html", "found.html")

    for _ in range(2):
        judged = diagnose(*given, code=1)
    page = html.unescape((tmp_path / "found.html").read_text())

    assert hostile not in (tmp_path / "found.html").read_text() and hostile in page
    for incident in judged.values():
        told = [incident["told"], *incident["lacking"], *(change["to"] for change in incident["changes"])]
        for evidence in incident["evidence"]:
            told += [evidence["says"], evidence["source"]]
        assert [one for one in told if one not in page] == []
    (tmp_path / "found.html").write_text("mine")
    assert main(["diagnose", *given]) == 2
    assert (tmp_path / "found.html").read_text() == "mine"
