"""The gateway's cache of predictions: what a hit costs beside a model's own answer, and what a sick Redis costs.

One process, one row a request, a real redis-server on the loopback interface (from PATH). The model is scikit-learn's,
and the same by ONNX Runtime where that and skl2onnx are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np

from cd4ml.serving.cache.client import Client
from cd4ml.serving.cache.predictions import PredictionCache
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.signature import Column, Tensor

NAMES = [f"x{number}" for number in range(10)]


class Redis:
    """A redis-server of this program's own."""

    def __init__(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        self.folder = tempfile.TemporaryDirectory(prefix="cd4ml-benchmark-")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen([*command, "--dir", self.folder.name], stdout=subprocess.DEVNULL)
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        os.kill(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait(20)

    def client(self) -> Any:
        """Return a client."""
        import redis

        return redis.Redis(port=self.port)


class Known:
    """What the cache has to know of a model."""

    name = "native"
    columns = tuple(Column(name=name, type="double") for name in NAMES)
    classes = (0, 1)
    positive_label = 1
    inline_rows = 1000
    tensors: Sequence[Tensor] = ()

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """Return a score that takes no time."""
        scores = [1 / (1 + math.exp(-value)) for value in batch.columns["x0"]]
        return Answers(y_pred=[int(score > 0.5) for score in scores], y_score=scores)

    def warm_up(self) -> str:
        """Nothing to do."""
        return "example"


def cache(redis: Redis, *, budget: float = 0.05, slow: float = 0.005) -> PredictionCache:
    """Return a cache, by default with the settings' defaults."""
    made = PredictionCache(
        Client(f"redis://127.0.0.1:{redis.port}", cluster=False),
        **{"model_sha256": "a" * 64, "secret": b"s" * 16, "seconds": 3600},  # type: ignore[arg-type]
        **{"budget": budget, "slow": slow, "required": False},  # type: ignore[arg-type]
    )
    made.know(Known())
    return made


async def ask(batch: Batch) -> Answers:
    """Ask the model that takes no time."""
    return Known().predict(batch)


def row(number: int) -> Batch:
    """Return one row."""
    return Batch(columns={name: [number / 7 + at] for at, name in enumerate(NAMES)}, rows=1)


def cost(call: Callable[[], Any], times: int) -> float:
    """Return the CPU microseconds of a call."""
    call()
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times * 1e6


async def hits(redis: Redis, at_once: int, times: int) -> tuple[float, float]:
    """Return the CPU and wall-clock microseconds of a hit, asked by so many requests at once."""
    used = cache(redis, budget=5, slow=5)
    await used.start()
    while not used.lookups.usable:
        await asyncio.sleep(0.01)
    await asyncio.gather(*(used.answers(row(number), ask) for number in range(100)))
    await asyncio.sleep(0.3)
    cpu, wall = time.process_time(), time.perf_counter()
    for first in range(0, times, at_once):
        await asyncio.gather(*(used.answers(row((first + at) % 100), ask) for at in range(at_once)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    shared = used.counts["hit"] + used.counts["shared"]
    await used.close()
    assert shared > 0.9 * times, used.counts
    return cpu / times * 1e6, wall / times * 1e6


def costs(redis: Redis) -> None:
    """Print what a hit costs beside the models."""
    from sklearn.ensemble import GradientBoostingClassifier

    rng = np.random.default_rng(0)
    data = rng.normal(size=(500, len(NAMES)))
    trained = GradientBoostingClassifier(n_estimators=50).fit(data, data[:, 0] > 0)
    print("| one row | CPU µs |\n|---|---|")
    print(f"| scikit-learn, GradientBoosting(50) | {cost(lambda: trained.predict_proba(data[:1]), 200):.0f} |")
    try:
        import onnxruntime
        from skl2onnx import to_onnx
    except ImportError:
        print("| ONNX Runtime (not installed) | |")
    else:
        converted = to_onnx(trained, data[:1].astype("float32"), options={"zipmap": False})
        session = onnxruntime.InferenceSession(converted.SerializeToString())
        feeds = {session.get_inputs()[0].name: data[:1].astype("float32")}
        print(f"| the same by ONNX Runtime | {cost(lambda: session.run(None, feeds), 3000):.0f} |")
    for at_once in (1, 32):
        cpu, wall = asyncio.run(hits(redis, at_once, 3200))
        print(f"| cache hit, {at_once} at once (wall clock {wall:.0f}) | {cpu:.0f} |")


async def load(
    used: PredictionCache, trouble: Callable[[], Coroutine[Any, Any, None]] | None, rate: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Return latencies in milliseconds, from when a request was due: with the cache, and of every second one without.

    Both meet the same noise of the machine. A request that fails ends the program.
    """
    found: tuple[list[float], list[float]] = ([], [])

    async def one(number: int, due: float) -> None:
        batch = row(number // 2 % 500)
        answers = await ask(batch) if number % 2 else (await used.answers(batch, ask))[0]
        found[number % 2].append((time.perf_counter() - due) * 1000)
        assert answers.y_score == (await ask(batch)).y_score

    async with asyncio.TaskGroup() as group:
        began = time.perf_counter()
        troubled = group.create_task(trouble()) if trouble is not None else None
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            group.create_task(one(number, began + number / rate))
    assert troubled is None or troubled.done()
    return found


async def faults(redis: Redis, rate: int, seconds: float) -> None:
    """Print the latencies with and without the cache, and under each fault."""

    async def killed() -> None:
        await asyncio.sleep(seconds / 4)
        await asyncio.to_thread(redis.signal, signal.SIGKILL)
        await asyncio.sleep(seconds / 4)
        await asyncio.to_thread(redis.start)

    async def stopped() -> None:
        await asyncio.sleep(seconds / 4)
        redis.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds / 4)
        redis.signal(signal.SIGCONT)

    async def filled() -> None:
        await asyncio.sleep(seconds / 4)
        await asyncio.to_thread(redis.client().config_set, "maxmemory", "1")
        await asyncio.sleep(seconds / 4)
        await asyncio.to_thread(redis.client().config_set, "maxmemory", "0")

    def poison() -> None:
        client = redis.client()
        for key in list(client.scan_iter("cd4ml:*", count=1000))[:200]:
            client.set(key, b"cd4ml1\n garbage")

    async def poisoned() -> None:
        await asyncio.sleep(seconds / 4)
        await asyncio.to_thread(poison)

    print(f"\n| {rate} requests/s, {seconds:g} s | p50 ms | without | p99 ms | without | failed |")
    print("|---|---|---|---|---|---|")
    for name, trouble in (
        ("a sound Redis", None),
        ("killed and back", killed),
        ("stopped (SIGSTOP) and back", stopped),
        ("full and back", filled),
        ("poisoned", poisoned),
    ):
        used = cache(redis)
        await used.start()
        await asyncio.sleep(0.3)
        found = await load(used, trouble, rate, seconds)
        await used.close()
        numbers = [f"{sorted(one)[int(len(one) * share)]:.2f}" for share in (0.5, 0.99) for one in found]
        print(f"| {name} | {' | '.join(numbers)} | 0 of {len(found[0])} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    redis = Redis()
    try:
        costs(redis)
        asyncio.run(faults(redis, arguments.rate, arguments.seconds))
    finally:
        redis.signal(signal.SIGKILL)
        redis.folder.cleanup()


if __name__ == "__main__":
    main()
