"""Many concurrent requests of one row to a model that its own library asks: each by itself, and in micro-batches.

The gateway's own calls, without HTTP: what differs is how often scikit-learn is called. In one run, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from cd4ml.serving.calls import Calls
from cd4ml.serving.exchange import Batch
from cd4ml.serving.protocols import Question
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.runtimes.native import Native
from cd4ml.serving.settings import Settings
from tests import models

ROUNDS = 5


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--wait", type=int, default=2, help="BATCH_WAIT_MS")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of scikit-learn, whose settings are those of the thread that loaded it
    frame = models.people()
    with tempfile.TemporaryDirectory() as name:
        folder = models.save(models.classifier(frame), Path(name) / "model", frame[["age", "income", "city"]])
        runtime = Native.load(folder, positive_label=None, allow_code=True)
    print("| clients | CPU ms a request: alone | in micro-batches | ratio | p50 ms: alone | in micro-batches |")
    print("|---|---|---|---|---|---|")
    for clients in given.clients:
        pairs = [
            tuple(asyncio.run(measured(runtime, wait, clients, given.requests)) for wait in (0, given.wait))
            for _ in range(ROUNDS)
        ]
        alone, together = (
            (statistics.median(cpu for cpu, _ in side), statistics.median(p50 for _, p50 in side))
            for side in zip(*pairs, strict=True)
        )
        print(
            f"| {clients} | {alone[0]:.2f} | {together[0]:.2f} | {alone[0] / together[0]:.1f} | "
            f"{alone[1]:.1f} | {together[1]:.1f} |",
            flush=True,
        )
    return 0


async def measured(runtime: Runtime, wait: int, clients: int, requests: int) -> tuple[float, float]:
    """Return the CPU and the median latency of a request, in milliseconds."""
    calls = Calls(Settings(batch_wait_ms=wait))
    seconds: list[float] = []
    row: dict[str, list[Any]] = {"age": [40], "income": [3.5], "city": ["Oslo"]}

    async def client() -> None:
        """Ask one request after the other."""
        for _ in range(requests // clients):
            began = time.perf_counter()
            await calls.ask(runtime, Question(Batch(columns=row, rows=1)))
            seconds.append(time.perf_counter() - began)

    began = time.process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    return 1000 * (time.process_time() - began) / len(seconds), 1000 * statistics.median(seconds)


if __name__ == "__main__":
    raise SystemExit(main())
