#!/usr/bin/env python3
"""The gateway and its rivals: requests per second, latency, CPU per request and memory, on one core each.

    .venv/bin/python benchmarks/gateway.py                        every server, 1 and 100 rows
    .venv/bin/python benchmarks/gateway.py --servers echo cd4ml-onnx --seconds 10

All serve the same scikit-learn pipeline (imputation, scaling, one-hot, logistic regression) and are asked for the same
rows. Closed loop: wrk with 32 connections. Open loop, where vegeta is installed: a fixed rate, half of what the slowest
did in the closed loop. The server has core 0, the load core 1. CPU per request hardly depends on what else the machine
does; requests per second do. cd4ml validates, counts metrics, and writes its log of requests and an event for each
prediction to files; with `--workers 2` as many processes of it serve, on as many cores. Memory is proportional (PSS).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import CACHE, ROOT, environment  # noqa: E402
from cd4ml.digests import folder_sha256  # noqa: E402
from cd4ml.model_files.signature import inputs  # noqa: E402
from cd4ml.scoring.conversion import program  # noqa: E402
from cd4ml.scoring.conversion.run import Signature, _way  # noqa: E402
from tests import models  # noqa: E402

_ROW: Final = {"age": 40, "income": 52000.0, "city": "Oslo"}
_PORT: Final = 9871
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SCRIPT: Final = 'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[%s]==]\n'
# What reads the model must be what wrote it.
_MODEL: Final = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "pandas")]
_RIVALS: Final[Mapping[str, Sequence[str]]] = {
    "fastapi": ["fastapi==0.165.0", "uvicorn[standard]==0.54.0", *_MODEL],
    "mlserver": ["mlserver==1.7.1", "mlserver-mlflow==1.7.1", "scikit-learn==" + version("scikit-learn")],
    "bentoml": ["bentoml==1.4.40", *_MODEL],
    "mlflow": [*_MODEL, "uvicorn[standard]==0.54.0"],
}
_OURS: Final = ("cd4ml-onnx", "cd4ml-native")
SERVERS: Final = ("echo", *_OURS, *_RIVALS)


@dataclass(frozen=True, kw_only=True)
class Server:
    """How a server is started and asked."""

    command: Sequence[str]
    path: str = "/predict"
    key: str = "rows"
    env: dict[str, str]
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a server did: requests per second, median and 99th percentile in ms, CPU in µs a request, MiB (PSS)."""

    rate: float
    p50: str
    p99: str
    cpu: float
    memory: float
    failed: int


def server(name: str, model: Path, scratch: Path) -> Server:
    """Return how a server is started; its environment is made where it has none yet."""
    rivals = ROOT / "benchmarks" / "rivals"
    env = {
        "MODEL": str(model),
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",
    }
    env |= {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_DO_NOT_TRACK": "true",
    }
    uvicorn = ["-m", "uvicorn", "--port", str(_PORT), "--no-access-log", "--log-level", "warning"]
    if name in _OURS:
        about = {"name": "loans", "version": "1", "sha256": folder_sha256(model), "runtime": "native"}
        if name == "cd4ml-onnx":
            model = converted(model, scratch)
            about |= {"runtime": "onnx", "onnx_sha256": folder_sha256(model)}
        service = scratch / "service.json"
        service.write_text(json.dumps(about))
        env |= {"MODEL_DIRECTORY": str(model), "SERVICE_FILE": str(service), "HOST": "127.0.0.1", "PORT": str(_PORT)}
        env |= {"PYTHONPATH": str(ROOT), "EVENTS": str(scratch / "events.jsonl")}
        return Server(command=[sys.executable, "-m", "cd4ml.serving"], env=env, folder=scratch)
    if name == "echo":
        command = [sys.executable, *uvicorn, "--http", "httptools", "--loop", "uvloop", "gateway_echo:app"]
        return Server(command=command, env=env, folder=rivals)
    python = environment(f"gateway-{name}", _RIVALS[name])
    env["PATH"] = f"{python.parent}:{env['PATH']}"
    if name == "fastapi":
        return Server(command=[str(python), *uvicorn, "gateway_fastapi:app"], env=env, folder=rivals)
    if name == "bentoml":
        command = [str(python), "-m", "bentoml", "serve", "gateway_bentoml:Loans", "--port", str(_PORT)]
        return Server(command=command, env=env, folder=rivals)
    if name == "mlflow":
        command = [str(python), "-m", "mlflow", "models", "serve", "-m", str(model), "-p", str(_PORT)]
        command += ["--env-manager", "local", "--workers", "1"]
        return Server(command=command, path="/invocations", key="dataframe_records", env=env, folder=scratch)
    settings = {"name": "loans", "implementation": "mlserver_mlflow.MLflowRuntime", "parameters": {"uri": str(model)}}
    (scratch / "model-settings.json").write_text(json.dumps(settings))
    (scratch / "settings.json").write_text(json.dumps({"http_port": _PORT, "parallel_workers": 0, "debug": False}))
    command = [str(python.parent / "mlserver"), "start", str(scratch)]
    return Server(command=command, path="/invocations", key="dataframe_records", env=env, folder=scratch)


def converted(model: Path, scratch: Path) -> Path:
    """Return the folder of the model as build-image makes it for the fast road, in the last way that works."""
    made = scratch / "made"
    made.mkdir()
    if program.main(str(model), "", "allow-code", str(made)):
        raise SystemExit("the model could not be converted")
    said = json.loads((made / "answer.json").read_text())
    columns = [{"name": one.name, "type": one.type, "required": one.required} for one in inputs(model) or ()]
    signature = Signature(sha256=folder_sha256(model), columns=columns)
    return _way(made, scratch / "ways", said["ways"][-1], said, signature).folder


@contextmanager
def started(which: Server, body: bytes, log: Path, cores: int = 1) -> Iterator[int]:
    """Start a server on the first cores, wait until it predicts, and end it with what it has started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", f"0-{cores - 1}", *which.command],
            env=which.env,
            cwd=which.folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 120
        while not _answers(which, body):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{which.command}: not ready:\n{log.read_text()[-3000:]}")
            time.sleep(0.2)
        yield process.pid
    finally:
        _end(process)
        _until_free()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and whatever it has started."""
    processes = _processes(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    for left in processes:
        with suppress(ProcessLookupError):
            os.kill(int(left.name), signal.SIGKILL)
    process.wait()


def _answers(which: Server, body: bytes) -> bool:
    """Whether a server predicts."""
    request = Request(f"http://127.0.0.1:{_PORT}{which.path}", body, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=10) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _until_free() -> None:
    """Wait until nobody listens on the port."""
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", _PORT)):
                return
        time.sleep(0.1)


def _processes(leader: int) -> list[Path]:
    """Return a server's processes: the first, and whatever it has started, also in sessions of their own."""
    parents = {path: _fields(path)[1:2] for path in Path("/proc").glob("[0-9]*")}
    found, numbers = [Path(f"/proc/{leader}")], [str(leader)]
    for number in numbers:
        children = [path for path, parent in parents.items() if parent == [number]]
        found += children
        numbers += [path.name for path in children]
    return found


def _fields(process: Path) -> list[str]:
    """Return what the kernel says of a process, from its state on; nothing if it has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _used(leader: int) -> tuple[float, float]:
    """Return the CPU seconds and the MiB of a server's processes; a page that several share counts once."""
    processes = _processes(leader)
    found = [fields for fields in map(_fields, processes) if fields]
    cpu = sum(int(fields[11]) + int(fields[12]) for fields in found) / _TICKS
    shares = [re.findall(r"^Pss:\s+(\d+)", (one / "smaps_rollup").read_text(), re.M) for one in processes]
    return cpu, sum(int(share[0]) for share in shares) / 1024


def closed_loop(which: Server, body: bytes, pid: int, seconds: int, scratch: Path) -> Measured:
    """Ask as fast as a server answers, from 32 connections on core 1."""
    script = scratch / "post.lua"
    script.write_text(_SCRIPT % body.decode())
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c32", "--latency", "-s", str(script)]
    url = f"http://127.0.0.1:{_PORT}{which.path}"
    subprocess.run([*command, "-d1s", url], capture_output=True, check=True)
    before, _ = _used(pid)
    said = subprocess.run([*command, f"-d{seconds}s", url], capture_output=True, check=True, text=True).stdout
    after, memory = _used(pid)
    count, spent = re.findall(r"(\d+) requests in ([\d.]+)s", said)[0]
    bad = re.findall(r"Non-2xx or 3xx responses: (\d+)", said)
    return Measured(
        rate=int(count) / float(spent),
        p50=re.findall(r"50%\s+(\S+)", said)[0],
        p99=re.findall(r"99%\s+(\S+)", said)[0],
        cpu=(after - before) / max(1, int(count)) * 1e6,
        memory=memory,
        failed=int(bad[0]) if bad else 0,
    )


def open_loop(which: Server, body: bytes, rate: int, seconds: int, scratch: Path) -> str:
    """Ask at a fixed rate, however long answers take; return median and 99th percentile."""
    (scratch / "body.json").write_bytes(body)
    target = f"POST http://127.0.0.1:{_PORT}{which.path}\nContent-Type: application/json\n@{scratch / 'body.json'}\n"
    attack = ["taskset", "-c", "1", "vegeta", "attack", f"-rate={rate}", f"-duration={seconds}s"]
    shots = subprocess.run(attack, input=target.encode(), capture_output=True, check=True).stdout
    report = subprocess.run(["vegeta", "report", "-type=json"], input=shots, capture_output=True, check=True).stdout
    found = json.loads(report)
    p50, p99 = (found["latencies"][name] / 1e6 for name in ("50th", "99th"))
    return f"{p50:.2f} / {p99:.2f} ms, {found['success']:.1%} answered"


def main() -> None:
    """Measure, and print a table for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", nargs="*", default=list(SERVERS), choices=SERVERS)
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 100])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="processes of cd4ml's gateway")
    parser.add_argument("--rate", type=int, default=40, help="requests per second of the open loop")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        frame = models.people()
        model = models.save(models.classifier(frame), Path(folder) / "model", frame[["age", "income", "city"]])
        print("| server | rows | requests/s | p50 | p99 | CPU µs/request | MiB | failed | open loop, p50 / p99 |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        for name in arguments.servers:
            scratch = Path(folder) / name
            scratch.mkdir()
            which = server(name, model, scratch)
            which.env["WORKERS"] = str(arguments.workers)
            first = json.dumps({which.key: [_ROW]}).encode()
            with started(which, first, scratch / "log", arguments.workers) as pid:
                for rows in arguments.rows:
                    body = json.dumps({which.key: [_ROW] * rows}).encode()
                    found = closed_loop(which, body, pid, arguments.seconds, scratch)
                    steady = "-"
                    if shutil.which("vegeta"):
                        steady = open_loop(which, body, arguments.rate, arguments.seconds, scratch)
                    print(
                        f"| {name} | {rows} | {found.rate:,.0f} | {found.p50} | {found.p99} | {found.cpu:,.0f} "
                        f"| {found.memory:.0f} | {found.failed} | {steady} |",
                        flush=True,
                    )
    ours = [f"{package}=={version(package)}" for package in ("uvicorn", "httptools", "uvloop", "msgspec")]
    for name in arguments.servers:
        print(f"{name}: {', '.join(_RIVALS.get(name, ours))}")


if __name__ == "__main__":
    main()
