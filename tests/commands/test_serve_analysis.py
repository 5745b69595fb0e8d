"""`cd4ml serve-analysis`: Argo Rollouts and Flagger get the verdict by HTTP, and nothing else passes for one."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from cd4ml.cli import main
from cd4ml.commands.analysis_steps import Steps, step_of
from cd4ml.report.reading import parse
from cd4ml.stages import ANALYSIS
from tests import events
from tests.conftest import ROOT, clean_environment

# What Flagger posts: https://docs.flagger.app/usage/webhooks
WEBHOOK: Final = {"name": "credit", "namespace": "models", "phase": "Progressing", "checksum": "85d557f47b"}
BAD: Final = replace(events.CANARY, failed=0.4)


@contextmanager
def serving(folder: Path, *arguments: str, patience: float = 30.0) -> Iterator[str]:
    """Run the command in a folder on a free port; yields its address, and ends it as Kubernetes does."""
    (folder / "cd4ml.yaml").write_text(
        "analyze-rollout: {stable: events.jsonl, judge: [errors], maximum-error-increase: 0.08}\n"
    )
    start = f"from cd4ml.commands import serve_analysis as s; s._PATIENCE = {patience}; import cd4ml.__main__"
    command = [sys.executable, "-c", start, "serve-analysis", "--port", "0", *arguments]
    environ = clean_environment(PYTHONPATH=str(ROOT))
    with subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", told)
            assert found, told
            yield found[0]
        finally:
            process.terminate()
            assert process.wait(20) == 143


def ask(address: str, body: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Send a request; return the status and the JSON of the answer."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("canary", "status", "codes"),
    [
        (events.CANARY, "passed", {"/advance": 200, "/rollback": 409}),
        (BAD, "failed", {"/advance": 409, "/rollback": 200}),
        (replace(events.CANARY, share=0.002), "inconclusive", {"/advance": 409, "/rollback": 409}),
    ],
    ids=["passed", "failed", "inconclusive"],
)
def test_verdict(tmp_path: Path, canary: events.Service, status: str, codes: dict[str, int]) -> None:
    """Argo gets the whole report, Flagger a yes to the one question that the verdict answers, from one run."""
    events.write(tmp_path / "events.jsonl", events.events(events.STABLE, canary, rows=6_000))
    with serving(tmp_path, "--reuse-seconds", "600") as address:
        code, report = ask(f"{address}/report")
        answers = {path: ask(f"{address}{path}", WEBHOOK) for path in codes}

    assert (code, report["status"]) == (200, status)
    assert parse(json.dumps(report), ANALYSIS).report.status == status
    assert {path: code for path, (code, _) in answers.items()} == codes
    assert {answer["run"]["started_at"] for _, answer in answers.values()} == {report["run"]["started_at"]}


def test_no_verdict__503(tmp_path: Path) -> None:
    """Events that are not there, and a time limit that ends the analysis, are no answer to any question; the server
    stays, and looks again. What it does not know is 404, and a body without an end is refused."""
    with serving(tmp_path, "--reuse-seconds", "0") as address:
        assert ask(f"{address}/health") == (200, {"status": "ok"})
        for path in ("/advance", "/rollback"):
            code, told = ask(f"{address}{path}", WEBHOOK)
            assert (code, told["status"]) == (503, "error")
        code, told = ask(f"{address}/report")
        assert (code, told["status"]) == (503, "error") and "events.jsonl" in told["summary"]
        assert ask(f"{address}/reports")[0] == 404
        assert ask(f"{address}/promote", WEBHOOK)[0] == 404
        assert ask(f"{address}/advance", {"name": "x" * 70_000})[0] == 400

    with serving(tmp_path, "--analysis-seconds", "0.05") as address:
        code, told = ask(f"{address}/report")
    assert (code, told["status"]) == (503, "error") and "did not end within 0.05 seconds" in told["summary"]


def test_step__is_judged_on_its_own_data(tmp_path: Path) -> None:
    """What came before a step was first asked for is no data of it; without a name all data count. The next step of
    Flagger's begins where it was told to go on."""
    events.write(tmp_path / "events.jsonl", events.events(events.STABLE, events.CANARY, rows=6_000))
    with serving(tmp_path, "--reuse-seconds", "600") as address:
        assert ask(f"{address}/report")[1]["status"] == "passed"
        first = ask(f"{address}/report?step=digest-5")
        again = ask(f"{address}/report?step=digest-5")
        flagger = ask(f"{address}/advance?step=credit", WEBHOOK)

    assert (first[0], first[1]["status"]) == (200, "inconclusive")
    assert again == first
    assert (flagger[0], flagger[1]["status"]) == (409, "inconclusive")


def test_steps() -> None:
    """A step keeps its beginning while it is asked for, begins again after a yes, and is forgotten after a day; a
    request's step is its name, and of Flagger's the canary's checksum too."""
    at = [datetime(2026, 11, 27, 12, tzinfo=UTC)]
    steps, began = Steps(lambda: at[0]), at[0]

    assert steps.since("a") == began
    at[0] += timedelta(hours=1)
    assert (steps.since("a"), steps.since("b")) == (began, at[0])
    steps.restart("a")
    assert steps.since("a") == at[0]
    at[0] += timedelta(hours=25)
    assert steps.since("a") == at[0]
    assert step_of("/report?step=x-5") == "x-5"
    assert step_of("/report") == step_of("/advance", b"{}") == ""
    assert step_of("/advance?step=x", json.dumps(WEBHOOK).encode()) == "x 85d557f47b"
    assert step_of("/advance?step=x", b"[" * 60_000) == step_of("/advance?step=x", b"[]") == "x "


def test_held_open__others_are_answered(tmp_path: Path) -> None:
    """Who sends a request byte by byte, or none, is hung up on in all; beyond 16 connections nobody gets a place; and a
    length of thousands of digits is refused."""
    with serving(tmp_path, patience=1.5) as address:
        target = ("127.0.0.1", int(address.rpartition(":")[2]))
        with ExitStack() as stack:
            held = [stack.enter_context(socket.create_connection(target, timeout=20)) for _ in range(16)]
            time.sleep(0.3)
            with socket.create_connection(target, timeout=20) as beyond:
                assert beyond.recv(1) == b""
            began = time.monotonic()
            with suppress(OSError):
                while time.monotonic() - began < 10:
                    held[0].sendall(b"G")
                    time.sleep(0.1)
            assert time.monotonic() - began < 5
        time.sleep(0.3)
        assert ask(f"{address}/health") == (200, {"status": "ok"})
        with socket.create_connection(target, timeout=20) as one:
            one.sendall(b"POST /advance HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
            assert one.recv(100).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("config", "arguments", "words"),
    [
        ("check-code: {}\n", (), "has no section analyze-rollout"),
        ("analyze-rollout: {stable: e.jsonl}\n", ("--port", "70000"), "port must be from 0 to 65535"),
        ("analyze-rollout: {stable: e.jsonl}\n", ("--analysis-seconds", "0"), "analysis-seconds must be above 0"),
        ("analyze-rollout: {stable: e.jsonl}\n", ("--reuse-seconds", "-1"), "reuse-seconds must not be negative"),
    ],
)
def test_what_could_never_answer__refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: str,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    """A server that could never give a verdict is not started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cd4ml.yaml").write_text(config)

    assert main(["serve-analysis", *arguments]) == 2
    assert words in capsys.readouterr().err
