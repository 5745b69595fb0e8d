"""The cache on a real Redis that is killed, stopped, filled and poisoned while requests are answered."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cd4ml.serving.cache.client import Client
from cd4ml.serving.cache.predictions import PredictionCache
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.signature import Column, Tensor
from tests.ports import free_port
from tests.serving.redis import Server, serving, serving_cluster, until

# The machine of the tests is slow itself.
BUDGET = 2.0


class Model:
    """A model of one number; it counts what it is asked, and refuses 13."""

    def __init__(self, seconds: float = 0) -> None:
        self.rows: list[float] = []
        self.seconds = seconds

    async def __call__(self, batch: Batch) -> Answers:
        """Answer each row."""
        numbers = batch.columns["x"]
        self.rows += numbers
        await asyncio.sleep(self.seconds)
        if 13 in numbers:
            problem = Problem(path=f"rows[{numbers.index(13)}]", problem="is 13")
            raise Refused(422, "refused-by-model", "The model cannot handle these values.", [problem])
        return Answers(y_pred=[int(x) % 2 for x in numbers], y_score=[x / 1e6 for x in numbers])


class Known:
    """What the cache has to know of the model."""

    name = "native"
    columns = (Column(name="x", type="double"),)
    classes = (0, 1)
    positive_label = 1
    inline_rows = 0
    tensors: Sequence[Tensor] = ()

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """Not asked: see Model."""
        raise NotImplementedError

    def warm_up(self) -> str:
        """Not asked."""
        raise NotImplementedError


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis of the whole module."""
    with serving() as started:
        yield started


@asynccontextmanager
async def cache(
    url: str,
    *,
    cluster: bool = False,
    secret: bytes | None = None,
    required: bool = False,
    wait: bool = True,
    budget: float = BUDGET,
) -> AsyncIterator[PredictionCache]:
    """A cache that has found its Redis."""
    made = PredictionCache(
        Client(url, cluster=cluster),
        model_sha256="a" * 64,
        secret=secret,
        seconds=60,
        budget=budget,
        slow=budget,
        required=required,
    )
    made.know(Known())
    await made.start()
    try:
        if wait:
            await until(lambda: made.lookups.usable)
        yield made
    finally:
        await made.close()


async def asked(used: PredictionCache, rows: Batch, model: Model) -> tuple[Answers, int]:
    """Return the answers, and how many rows the cache answered."""
    answers, count = await used.answers(rows, model)
    assert answers.cached is not None and sum(answers.cached) == count
    answers.cached = None
    return answers, count


def batch(*numbers: float | None) -> Batch:
    """Return rows."""
    return Batch(columns={"x": list(numbers)}, rows=len(numbers))


def expected(*numbers: float) -> Answers:
    """Return what the model says of rows."""
    return Answers(y_pred=[int(x) % 2 for x in numbers], y_score=[x / 1e6 for x in numbers])


async def load(used: PredictionCache, trouble: Callable[[], Awaitable[None]]) -> int:
    """Ask from twenty sides while something happens to Redis, and half a second longer; every answer must be right."""
    model, done, answered = Model(), asyncio.Event(), 0

    async def client(number: int) -> None:
        nonlocal answered
        at = number
        while not done.is_set():
            at = (at * 31 + 7) % 500 + 14
            answers, _ = await asked(used, batch(at, at + 1), model)
            assert answers == expected(at, at + 1)
            answered += 1
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(client(number)) for number in range(20)]
        await asyncio.sleep(0.2)
        await trouble()
        await asyncio.sleep(0.5)
        done.set()
    assert all(task.done() for task in clients)
    return answered


def test_rows__asked_of_the_model_once(server: Server) -> None:
    """A row that was answered before comes from Redis, in another batch and another process's cache as well."""

    async def run() -> None:
        server.ask().flushall()
        model = Model()
        async with cache(server.url) as used:
            assert await asked(used, batch(1, 2, 1), model) == (expected(1, 2, 1), 0)
            await until(lambda: used.counts["written"] == 2)
        async with cache(server.url) as used:
            assert await asked(used, batch(2, 3, 1), model) == (expected(2, 3, 1), 2)
            assert (used.counts["hit"], used.counts["miss"]) == (2, 1)
        assert model.rows == [1, 2, 3]

    asyncio.run(run())


def test_values__expire(server: Server) -> None:
    """Every value has a time to live."""

    async def run() -> None:
        async with cache(server.url) as used:
            await asked(used, batch(77), Model())
            await until(lambda: used.counts["written"] == 1)
        client = server.ask()
        assert all(0 < client.ttl(key) <= 60 for key in client.scan_iter("cd4ml:*"))

    asyncio.run(run())


def test_same_row_at_once__asked_of_the_model_once(server: Server) -> None:
    """Requests that ask for one row at the same time share one call of the model."""

    async def run() -> None:
        server.ask().flushall()
        model = Model(seconds=0.1)
        async with cache(server.url) as used:
            found = await asyncio.gather(*(asked(used, batch(5, 100 + at), model) for at in range(10)))
            assert [answers for answers, _ in found] == [expected(5, 100 + at) for at in range(10)]
            assert model.rows.count(5) == 1 and used.counts["shared"] == 9

    asyncio.run(run())


def test_request_that_was_waited_for__ends__others_are_answered(server: Server) -> None:
    """If the request that asks the model is given up or refused, those that waited for it ask themselves."""

    async def run() -> None:
        server.ask().flushall()
        async with cache(server.url) as used:
            first = asyncio.create_task(asked(used, batch(6), Model(seconds=5)))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(asked(used, batch(6), Model()))
            await asyncio.sleep(0.05)
            first.cancel()
            assert await second == (expected(6), 0)

            refused = asyncio.create_task(asked(used, batch(13, 8), Model(seconds=0.1)))
            await asyncio.sleep(0.05)
            assert await asked(used, batch(8), Model()) == (expected(8), 0)
            with pytest.raises(Refused):
                await refused

    asyncio.run(run())


def test_refusal__names_the_row_of_the_request(server: Server) -> None:
    """A row that the model refuses has its own place in the request, though others of its rows were known."""

    async def run() -> None:
        server.ask().flushall()
        async with cache(server.url) as used:
            await asked(used, batch(1, 2), Model())
            await until(lambda: used.counts["written"] == 2)
            with pytest.raises(Refused) as error:
                await asked(used, batch(1, 2, 13), Model())
            assert [problem.path for problem in error.value.problems] == ["rows[2]"]
            assert await asked(used, batch(1), Model()) == (expected(1), 1)

    asyncio.run(run())


@pytest.mark.parametrize("secret", [None, b"s" * 16])
def test_poisoned__is_ignored(server: Server, secret: bytes | None) -> None:
    """Whatever somebody writes to the keys, every answer is the model's, and what was ignored is counted."""

    async def run() -> None:
        client = server.ask()
        client.flushall()

        async def poison() -> None:
            for at, key in enumerate(client.scan_iter("cd4ml:*")):
                text = client.get(key)
                assert isinstance(text, bytes)
                client.set(key, [b"", b"garbage", text[:-1], text[:40] + b"[1,1,0.5,null]", b"cd4ml0\n"][at % 5])

        async with cache(server.url, secret=secret) as used:
            assert await load(used, poison) > 20
            ignored = {name for name in used.counts if name.startswith("ignored-")}
            assert {"ignored-malformed", "ignored-checksum", "ignored-version"} <= ignored

    asyncio.run(run())


def test_killed_and_back__no_request_fails() -> None:
    """Redis is killed under load and started again: every request is answered, and the cache is used again."""

    async def run(server: Server) -> None:
        async with cache(server.url, required=True) as used:

            async def trouble() -> None:
                server.kill()
                await until(lambda: used.ready() is not None)
                await asyncio.sleep(0.2)
                await asyncio.to_thread(server.start)
                await until(lambda: used.ready() is None)

            assert await load(used, trouble) > 20
            assert used.lookups.breaker.opened >= 1
            hits = used.counts["hit"]
            await load(used, lambda: asyncio.sleep(0))
            assert used.counts["hit"] > hits

    with serving() as server:
        asyncio.run(run(server))


def test_stopped__requests_go_on() -> None:
    """Redis is stopped by SIGSTOP under load: each request waits at most the budget, and then nobody waits at all."""

    async def run(server: Server) -> None:
        async with cache(server.url, budget=0.1) as used:

            async def trouble() -> None:
                server.signal(signal.SIGSTOP)
                await until(lambda: not used.lookups.usable)
                await asyncio.sleep(0.2)  # what was asked before has its whole budget
                before = used.counts["unanswered"]
                await asyncio.sleep(0.5)
                assert used.counts["unanswered"] == before and used.counts["bypassed-open"] > 0
                server.signal(signal.SIGCONT)
                await until(lambda: used.lookups.usable)

            assert await load(used, trouble) > 20

    with serving() as server:
        asyncio.run(run(server))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"maxmemory": "1", "maxmemory-policy": "noeviction"}, "full"),
        ({"min-replicas-to-write": "1"}, "refused"),
    ],
)
def test_takes_no_writes__reads_go_on(settings: dict[str, str], reason: str) -> None:
    """Redis that is full (noeviction) or takes no writes goes on answering what it has, and is written to later."""

    async def run(server: Server) -> None:
        client = server.ask()
        async with cache(server.url) as used:
            await load(used, lambda: asyncio.sleep(0.3))
            for name, value in settings.items():
                client.config_set(name, value)
            hits = used.counts["hit"]
            await asked(used, batch(9999), Model())
            await until(lambda: used.counts[f"not-written-{reason}"] > 0)
            await load(used, lambda: asyncio.sleep(0))
            assert used.counts["hit"] > hits and used.lookups.usable
            for name in settings:
                client.config_set(name, "0" if name.startswith("m") and "policy" not in name else "noeviction")
            written = used.counts["written"]
            await asyncio.sleep(1.1)
            await asked(used, batch(8888), Model())
            await until(lambda: used.counts["written"] > written)

    with serving() as server:
        asyncio.run(run(server))


def test_read_only__is_counted() -> None:
    """A replica is read from, and what cannot be written to it is counted."""

    async def run(replica: Server) -> None:
        async with cache(replica.url) as used:
            assert await asked(used, batch(1), Model()) == (expected(1), 0)
            await until(lambda: used.counts["not-written-read-only"] == 1)

    with serving() as server, serving("--replicaof", "127.0.0.1", str(server.port)) as replica:
        asyncio.run(run(replica))


def test_never_there__nobody_waits() -> None:
    """Without a Redis the gateway answers, and is ready unless the cache is required."""

    async def run() -> None:
        for required in (False, True):
            async with cache(f"redis://127.0.0.1:{free_port()}", required=required, wait=False) as used:
                await asyncio.sleep(0.1)
                assert await asked(used, batch(1, 2), Model()) == (expected(1, 2), 0)
                reason = used.ready()
                assert (reason is not None) is required
                assert not required or reason == "the cache is not usable: ConnectionError"

    asyncio.run(run())


def test_something_else_answers__no_request_fails() -> None:
    """A server that is no Redis at all costs nothing but the cache."""

    async def run() -> None:
        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3)
            await writer.drain()
            writer.close()

        port = free_port()
        async with await asyncio.start_server(talk, "127.0.0.1", port):
            async with cache(f"redis://127.0.0.1:{port}", wait=False) as used:
                await asyncio.sleep(0.3)
                assert await asked(used, batch(1), Model()) == (expected(1), 0)
                assert not used.lookups.usable

    asyncio.run(run())


def test_cluster__rows_of_a_batch_are_spread_over_its_slots() -> None:
    """In a cluster the keys of one request lie in different slots, and all are found."""

    async def run(server: Server) -> None:
        async with cache(server.url, cluster=True) as used:
            await asked(used, batch(1, 2, 3, 4), Model())
            await until(lambda: used.counts["written"] == 4)
            assert await asked(used, batch(1, 2, 3, 4), Model()) == (expected(1, 2, 3, 4), 4)

    with serving_cluster() as server:
        asyncio.run(run(server))


def test_tls__verified(tmp_path: Path) -> None:
    """By `rediss://` the server's certificate is verified: one of an unknown authority is not spoken to."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]

    async def run() -> None:
        url = f"rediss://127.0.0.1:{port}"
        async with cache(f"{url}?ssl_ca_certs={certificate}") as used:
            await asked(used, batch(1), Model())
            await until(lambda: used.counts["written"] == 1)
            assert await asked(used, batch(1), Model()) == (expected(1), 1)
        async with cache(url, wait=False) as used:
            await asyncio.sleep(0.3)
            assert await asked(used, batch(1), Model()) == (expected(1), 0)
            assert not used.lookups.usable

    with serving(*options, "--tls-auth-clients", "no"):
        asyncio.run(run())


@pytest.mark.parametrize("url", ["http://localhost", "redis://:secret@localhost:port", "localhost:6379"])
def test_url__refused_without_its_password(url: str) -> None:
    """What is no URL of Redis is refused, and not repeated."""
    with pytest.raises(SettingsError) as error:
        Client(url, cluster=False)

    assert "REDIS_URL" in str(error.value) and "secret" not in str(error.value)
