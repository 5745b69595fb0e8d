"""A real Prometheus that has half an hour of both versions' metrics is as good a source as their events."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cd4ml.serving.telemetry.metrics.families import DURATION, PREDICTIONS, REQUESTS
from tests.conftest import Run, need_program
from tests.events import CANARY_MODEL, STABLE_MODEL
from tests.ports import free_port
from tests.prometheus import prometheus
from tests.stages.analyze_rollout.conftest import by_id, not_passed

START = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=40)
MINUTES = 30


def samples(name: str, track: str, labels: str, each_minute: float, *, restart: bool = False) -> Iterator[str]:
    """Yield the lines of a counter that grows every minute; a pod that starts again begins at 0."""
    value = 0.0
    for minute in range(-5, MINUTES + 1):
        value = 0.0 if restart and minute == 10 else value + each_minute
        at = (START + timedelta(minutes=minute)).timestamp()
        yield f'{name}{{track="{track}",pod="{track}-0"{labels}}} {value} {at:.0f}'


def metrics(track: str, model: str, *, rows: float, failed: float, slow: float) -> Iterator[tuple[str, str]]:
    """Yield family and line of what a version's pod shows; `slow` is the share above 50 ms, half of it above 250."""
    requests = REQUESTS.name.removesuffix("_total")
    for status, share in (("200", 1 - failed), ("503", failed)):
        for line in samples(REQUESTS.name, track, f',status="{status}"', rows * share, restart=True):
            yield f"{requests} counter", line
    for le, share in (("0.025", 0.5), ("0.05", 1 - slow), ("0.25", 1 - slow / 2), ("0.5", 1.0), ("+Inf", 1.0)):
        for line in samples(f"{DURATION.name}_bucket", track, f',le="{le}"', rows * share):
            yield f"{DURATION.name} histogram", line
    for name in ("count", "sum"):
        for line in samples(f"{DURATION.name}_{name}", track, "", rows):
            yield f"{DURATION.name} histogram", line
    predictions = PREDICTIONS.name.removesuffix("_total")
    for kind, share in (("0", 0.7), ("1", 0.3)):
        for line in samples(PREDICTIONS.name, track, f',class="{kind}"', rows * share):
            yield f"{predictions} counter", line
    for minute in range(-5, MINUTES + 1):
        at = (START + timedelta(minutes=minute)).timestamp()
        yield "cd4ml_model_info gauge", f'cd4ml_model_info{{track="{track}",sha256="{model}"}} 1 {at:.0f}'


def fill(folder: Path, found: list[tuple[str, str]]) -> None:
    """Write what was scraped as the data of a Prometheus."""
    families: dict[str, list[str]] = {}
    for family, line in found:
        families.setdefault(family, []).append(line)
    text = "".join(f"# TYPE {family}\n" + "\n".join(lines) + "\n" for family, lines in families.items())
    (folder / "metrics.txt").write_text(f"{text}# EOF\n")
    command = [need_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server that knows a stable version, a good canary and two bad ones."""
    both = {"stable": (2000, 0.01, 0.02), "good": (400, 0.01, 0.02), "bad": (400, 0.06, 0.02), "slow": (400, 0.01, 0.4)}
    found = [
        line
        for track, (rows, failed, slow) in both.items()
        for line in metrics(
            track, STABLE_MODEL if track == "stable" else CANARY_MODEL, rows=rows, failed=failed, slow=slow
        )
    ]
    folder = tmp_path_factory.mktemp("prometheus")
    fill(folder, found)
    with prometheus(folder) as address:
        yield address


def judge(cd4ml: Callable[..., Run], server: str, track: str, *arguments: str) -> Run:
    """Run analyze-rollout on a canary's metrics."""
    window = ("--since", START.isoformat(), "--until", (START + timedelta(minutes=MINUTES)).isoformat())
    selector = ("--canary-selector", f'track="{track}"')
    return cd4ml("analyze-rollout", "--prometheus", server, *selector, *window, *arguments)


@pytest.mark.parametrize(
    ("track", "code", "failed"),
    [("good", 0, None), ("bad", 1, "error-increase:failed"), ("slow", 1, "latency-increase:p95")],
)
def test_metrics__decide(cd4ml: Callable[..., Run], server: str, track: str, code: int, failed: str | None) -> None:
    """Errors, latency and predictions are judged as those of events are; pods that start again lose no count."""
    run = judge(cd4ml, server, track, "--maximum-latency-increase", "1.5")

    assert run.code == code, not_passed(run)
    assert run.report["metrics"]["requests"] == {"stable": 2000 * (MINUTES - 1), "canary": 400 * (MINUTES - 1)}
    if failed:
        assert not_passed(run)[failed][0] == "failed"
    assert by_id(run)["model:canary"]["message"].startswith("canary: bbbb")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--canary-selector", 'track="nobody"'), 4),
        (("--canary-selector", "track="), 2),
        (("--judge", "errors,bias"), 4),
        (("--judge", "latency"), 4),
        (("--canary-model", "c" * 64), 4),
    ],
    ids=["no series", "no selector", "bias", "wide buckets", "another model"],
)
def test_metrics__never_pass(cd4ml: Callable[..., Run], server: str, arguments: tuple[str, ...], code: int) -> None:
    """No series, a wrong selector, what metrics do not hold, wide buckets and another model never pass."""
    assert judge(cd4ml, server, "good", *arguments).code == code


def test_server__not_there(cd4ml: Callable[..., Run]) -> None:
    """A server that does not answer ends the run with exit code 3."""
    run = judge(cd4ml, f"http://127.0.0.1:{free_port()}", "good")

    assert (run.code, json.dumps(run.report).count("no answer from")) == (3, 2)
