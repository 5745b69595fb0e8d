#!/usr/bin/env python3
"""The gateway under many requests: whether its memory grows, what clients that leave do to it, and how much it logs.

Every hundredth client leaves in the middle of its request, and every hundredth before it has read the answer.

benchmarks/gateway_soak.py --requests 50000 --runtime onnx
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.gateway import converted  # noqa: E402
from benchmarks.measure import ROOT  # noqa: E402
from cd4ml.digests import folder_sha256  # noqa: E402

COLUMNS: Final = 8
ROWS: Final = (1, 1, 1, 1, 1, 1, 1, 1, 1, 50)
SAMPLES: Final = 20
OPEN_FILES: Final = 'process_open_fds{worker="0"}'


@dataclass(kw_only=True)
class Seen:
    """What came of the requests."""

    answered: Counter[int] = field(default_factory=Counter)
    left_early: int = 0
    left_late: int = 0
    memory: list[float] = field(default_factory=list)


def main() -> None:
    """Run the requests and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--runtime", choices=("native", "onnx"), default="native")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        model = prepared(Path(folder), arguments.runtime)
        process, port, log = stack.enter_context(serving(Path(folder), model))
        began, cpu = time.monotonic(), cpu_seconds(process.pid)
        seen = asyncio.run(soak(port, process.pid, arguments.requests, arguments.connections))
        wall, cpu = time.monotonic() - began, cpu_seconds(process.pid) - cpu
        metrics = scraped(port)
    report(seen, metrics, log, arguments.requests, wall, cpu)


def prepared(scratch: Path, runtime: str) -> dict[str, str]:
    """Save a small classifier, converted for the ONNX road, and return the settings by which a gateway finds it."""
    model = scratch / "model"
    save(model)
    about = {"name": "soak", "version": "1", "sha256": folder_sha256(model), "runtime": runtime}
    if runtime == "onnx":
        model = converted(model, scratch)
        about["onnx_sha256"] = folder_sha256(model)
    service = scratch / "service.json"
    service.write_text(json.dumps(about))
    return {"MODEL_DIRECTORY": str(model), "SERVICE_FILE": str(service)}


@contextlib.contextmanager
def serving(scratch: Path, model: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int, list[bytes]]]:
    """Start a gateway for a model; yield it, its port and what it logs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    env = os.environ | model | {"PYTHONPATH": str(ROOT), "HOST": "127.0.0.1", "PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "cd4ml.serving"], env=env, cwd=scratch, stderr=subprocess.PIPE)
    lines: list[bytes] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        until_ready(port)
        yield process, port, lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
        reader.join(10)


def save(folder: Path) -> None:
    """Train and save a classifier."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.ensemble import GradientBoostingClassifier

    random = np.random.default_rng(7)
    frame = pd.DataFrame(random.normal(size=(2000, COLUMNS)), columns=[f"x{number}" for number in range(COLUMNS)])
    model = GradientBoostingClassifier(n_estimators=20, random_state=7).fit(frame, frame.sum(axis=1) > 0)
    mlflow.sklearn.save_model(
        model, folder, signature=infer_signature(frame), serialization_format="cloudpickle", pip_requirements=[]
    )


def until_ready(port: int) -> None:
    """Wait for the model."""
    for _ in range(600):
        try:
            if request(port, "GET /health/readiness").startswith(b"HTTP/1.1 200"):
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("the gateway did not become ready")


def request(port: int, line: str) -> bytes:
    """Return what the gateway answers to a request without a body."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def scraped(port: int) -> dict[str, float]:
    """Return the samples of /metrics as they are written."""
    lines = request(port, "GET /metrics").decode().partition("\r\n\r\n")[2].splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2


async def soak(port: int, pid: int, requests: int, connections: int) -> Seen:
    """Send the requests over several connections that are kept alive."""
    seen, left = Seen(), iter(range(requests))
    every = max(1, requests // SAMPLES)

    async def client() -> None:
        """Send requests until there are none."""
        streams: Any = None
        for number in left:
            if number % every == 0:
                seen.memory.append(resident(pid))
            streams = streams or await asyncio.open_connection("127.0.0.1", port)
            reader, writer = streams
            if not await ask(reader, writer, number, seen):
                streams[1].close()
                streams = None
        if streams:
            streams[1].close()

    await asyncio.gather(*(client() for _ in range(connections)))
    await asyncio.sleep(1)
    seen.memory.append(resident(pid))
    return seen


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, seen: Seen) -> bool:
    """Send one request, and return whether its connection can be used again."""
    row = {f"x{column}": ((number * 31 + column) % 97) / 10 for column in range(COLUMNS)}
    body = json.dumps({"rows": [row] * ROWS[number % len(ROWS)]}).encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    if number % 100 == 13:
        writer.write(head.encode() + body[: len(body) // 2])
        await writer.drain()
        seen.left_early += 1
        return False
    writer.write(head.encode() + body)
    if number % 100 == 57:
        await writer.drain()
        seen.left_late += 1
        return False
    answer = await reader.readuntil(b"\r\n\r\n")
    seen.answered[int(answer[9:12])] += 1
    length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return True


def report(seen: Seen, metrics: dict[str, float], log: list[bytes], requests: int, wall: float, cpu: float) -> None:
    """Print the figures."""
    said = [json.loads(line) for line in log]
    lines = [line for line in said if line["message"] == "request"]
    size = sum(len(line) for line, one in zip(log, said, strict=True) if one["message"] == "request")
    statuses = Counter(int(name.rpartition('status="')[2][:3]) for name in metrics if "requests_total" in name)
    counted = sum(value for name, value in metrics.items() if name.startswith("cd4ml_requests_total"))
    settled, end = seen.memory[len(seen.memory) // 4], seen.memory[-1]
    print(f"requests: {requests} in {wall:.0f} s, {cpu / requests * 1000:.2f} ms of CPU each")
    print(f"answered: {dict(seen.answered)}")
    print(f"clients that left: {seen.left_early} while sending, {seen.left_late} while waiting")
    in_flight = metrics["cd4ml_requests_in_flight"]
    print(f"metrics: {counted:.0f} requests with statuses {sorted(statuses)}, {in_flight:.0f} in flight")
    print("memory in MiB, now and then:", *(f"{value:.1f}" for value in seen.memory))
    print(f"memory: {settled:.1f} MiB after a quarter, {end:.1f} MiB at the end ({end - settled:+.1f})")
    print(
        f"log: {len(lines)} lines of requests of {size / max(1, len(lines)):.0f} bytes, {len(said) - len(lines)} others"
    )
    print(f"open files at the end: {metrics[OPEN_FILES]:.0f}")


if __name__ == "__main__":
    main()
