"""Features from a real Redis that is killed, stopped, poisoned and spread over a cluster."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cd4ml.feature_store import layout
from cd4ml.serving.signature import Column
from tests.ports import free_port
from tests.serving.features.stores import asked, refused, store, write
from tests.serving.protocols.conftest import COLUMNS, Classifier
from tests.serving.redis import Server, serving, serving_cluster, until

HELD = {"income": 52000.0, "city": "Oslo", "member": True}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis of the whole module."""
    with serving() as started:
        yield started


@pytest.fixture(autouse=True)
def empty(server: Server) -> None:
    """Nothing is left of the test before."""
    server.ask().flushall()
    write(server, 17, HELD)


def test_features__beside_what_is_given(server: Server) -> None:
    """Features are fetched for many rows in their order; what a row gives itself, null too, is not fetched."""
    now = datetime.now(UTC)
    for number in range(100):
        write(server, number, HELD | {"income": number}, age=timedelta(hours=number), now=now)

    async def run() -> None:
        async with store(server.url) as used:
            rows: list[dict[str, Any]] = [{"customer_id": number % 100, "age": number} for number in range(98)]
            rows.append({"customer_id": 5.0, "age": 1, "income": 1.5, "city": None})
            rows.append({"age": 2, "income": None, "city": "Bergen", "member": None})
            question, exchange = await asked(used, *rows)
        columns = question.batch.columns
        assert columns["age"] == [*range(98), 1, 2]
        assert columns["income"] == [*map(float, range(98)), 1.5, None]
        assert columns["city"] == ["Oslo"] * 98 + [None, "Bergen"] and columns["member"] == [True] * 99 + [None]
        assert exchange.fetched is not None and exchange.fetching > 0
        assert [list(one) for one in exchange.fetched[97:]] == [["income", "city", "member"], ["member"], []]
        hours = [datetime.fromisoformat(str(one["income"])) for one in exchange.fetched[:98]]
        assert all(later - earlier == timedelta(hours=1) for earlier, later in zip(hours[1:], hours))
        assert used.counts == {"found": 3 * 98 + 1}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("row", "problems"),
    [
        ({"customer_id": 17}, {"entities[0].age": "is missing"}),
        ({"age": 1}, {"entities[0].customer_id": "is missing; by it are fetched: income, city, member"}),
        ({"age": 1, "customer_id": "17"}, {"entities[0].customer_id": "must be a whole number"}),
        ({"age": 1, "customer_id": None}, {"entities[0].customer_id": "must be a whole number"}),
        ({"age": 1, "customer_id": 2**63}, {"entities[0].customer_id": "is too large"}),
        ({"age": "1", "customer_id": 17, "income": "x"}, {"entities[0].age": "must be a whole number"}),
        ({"age": 1, "customer_id": 17, "merchant_id": 3}, {"entities[0]": "has 1 unknown key(s)"}),
    ],
)
def test_request__that_does_not_fit(server: Server, row: dict[str, Any], problems: dict[str, str]) -> None:
    """A request is refused by the place of what is wrong before the store is asked."""

    async def run() -> tuple[int, str, dict[str, str]]:
        async with store(server.url) as used:
            found = await refused(used, row)
            assert not used.counts
            return found

    status, code, found = asyncio.run(run())

    assert (status, code) == (422, "rows-do-not-fit")
    assert {path: found[path][: len(text)] for path, text in problems.items()} == problems


def test_missing__by_policy(server: Server) -> None:
    """An entity or feature that is not there or too old is refused by name, or null where null is allowed."""
    write(server, 1, {"income": 1.0, "city": "Oslo"})
    write(server, 2, HELD, age=timedelta(hours=2))
    write(server, 3, HELD | {"income": None, "member": None}, age=timedelta(minutes=1))
    rows = [{"customer_id": number, "age": 1} for number in (0, 1, 2, 3)]

    async def run() -> None:
        async with store(server.url, FEATURE_MAX_AGE_SECONDS="3600") as used:
            status, code, problems = await refused(used, *rows)
            assert (status, code) == (422, "features-missing")
            absent, old = "is not in the online store", "is too old in the online store"
            names = ("income", "city", "member")
            assert problems == {f"entities[0].{name}": absent for name in names} | {
                "entities[1].member": absent,
                **{f"entities[2].{name}": old for name in names},
            }
            assert used.counts == {"missing": 4, "stale": 3, "found": 5}
        async with store(server.url, FEATURE_MAX_AGE_SECONDS="3600", FEATURE_MISSING="null") as used:
            question, exchange = await asked(used, *rows)
            assert question.batch.columns["income"] == [None, 1.0, None, None]
            assert question.batch.columns["member"] == [None] * 4
            assert exchange.fetched is not None
            assert [list(one) for one in exchange.fetched] == [[], ["income", "city"], [], list(names)]

    asyncio.run(run())


def test_null__where_the_signature_forbids_it(server: Server) -> None:
    """A whole number that must be there is refused by name whatever the policy, and a null in the store is no value."""
    entities = '{"customer_id": {"type": "long", "features": ["age"]}}'
    row = {"customer_id": 1, "income": 1.0, "city": "Oslo"}

    async def run() -> None:
        async with store(server.url, FEATURE_ENTITIES=entities, FEATURE_MISSING="null") as used:
            for _ in range(2):
                assert await refused(used, row) == (
                    422,
                    "features-missing",
                    {"entities[0].age": "is not in the online store"},
                )
                write(server, 1, {"age": None})
            write(server, 1, {"age": 40})
            question, _ = await asked(used, row)
            assert question.batch.columns["age"] == [40]

    asyncio.run(run())


POISON: dict[str, tuple[dict[str, bytes | None], str]] = {
    "wrong type": ({"income": b'"52000"'}, "must be a number or null"),
    "no JSON": ({"income": b"52000,0"}, "is not readable"),
    "not finite": ({"income": b"NaN"}, "is not readable"),
    "list": ({"income": b"[1]"}, "is not readable"),
    "long text": ({"city": b'"' + b"x" * 100_001 + b'"'}, "is longer than 100,000 characters"),
    "huge": ({"city": b'"' + b"x" * 5_000_000 + b'"'}, "is not readable"),
    "no moment": ({"@event_timestamp": b"yesterday"}, "is not readable"),
    "moment left out": ({"@event_timestamp": None}, "is not readable"),
    "of the future": ({"@event_timestamp": b"2999-01-01T00:00:00.000000Z"}, "is not readable"),
    "another layout": ({"@layout": b"2"}, "is not readable"),
}


@pytest.mark.parametrize(("fields", "problem"), POISON.values(), ids=POISON)
def test_poisoned__refused_whatever_the_policy(server: Server, fields: dict[str, bytes | None], problem: str) -> None:
    """What the model does not take or the layout does not know is never used, and never taken for missing."""
    ((name, text),) = fields.items()
    if text is None:
        server.ask().hdel(layout.key_of("customer_id", 17), name)
    else:
        server.ask().hset(layout.key_of("customer_id", 17), name, text)

    async def run() -> None:
        async with store(server.url, FEATURE_MISSING="null") as used:
            status, code, problems = await refused(used, {"customer_id": 17, "age": 1})
            assert (status, code) == (503, "features-unusable")
            assert problems[f"entities[0].{'income' if name.startswith('@') else name}"] == problem
            assert used.ready() is None

    asyncio.run(run())


def test_key_of_another_kind__only_its_own_row(server: Server) -> None:
    """A key that holds no hash is refused, and the store is used for others."""
    server.ask().set(layout.key_of("customer_id", 18), "text")

    async def run() -> None:
        async with store(server.url) as used:
            assert (await refused(used, {"customer_id": 18, "age": 1}))[:2] == (503, "features-unusable")
            question, _ = await asked(used, {"customer_id": 17, "age": 1})
            assert question.batch.columns["city"] == ["Oslo"]

    asyncio.run(run())


def test_fetched__is_counted_by_its_size(server: Server) -> None:
    """An exchange knows how much memory fetched texts take, each once however many rows have it."""
    write(server, 17, HELD | {"city": "x" * 50_000})

    async def run() -> None:
        async with store(server.url) as used:
            for rows in (1, 50):
                _, exchange = await asked(used, *[{"customer_id": 17, "age": 1}] * rows)
                assert 50_000 < exchange.bytes_fetched < 51_000
            _, exchange = await asked(used, {"age": 1, **HELD})
            assert exchange.bytes_fetched == 0

    asyncio.run(run())


@dataclass
class Timed(Classifier):
    """A model whose city is a time."""

    columns: Sequence[Column] = tuple(
        replace(column, type="datetime") if column.name == "city" else column for column in COLUMNS
    )


@pytest.mark.parametrize("text", ["yesterday", "now", "2026-13-01", "1500-01-01T00:00:00Z", ""])
def test_time__that_is_none(server: Server, text: str) -> None:
    """A fetched text that the model's conversion does not take for a time is the store's fault, at the entity's row."""
    for number, city in enumerate(("2026-11-27", "2026-11-27T08:30:00.5+01:00", text)):
        write(server, number, HELD | {"city": city})
    rows = [{"customer_id": number, "age": 1} for number in range(3)]

    async def run() -> None:
        async with store(server.url) as used:
            used.know(Timed())
            await asked(used, *rows[:2])
            status, code, problems = await refused(used, *rows)
            assert (status, code, [*problems]) == (503, "features-unusable", ["entities[2].city"])
            assert problems["entities[2].city"].startswith("must be a time in ISO 8601")
            assert used.counts["unusable"] == 1

    asyncio.run(run())


def test_time__sent_by_the_caller(server: Server) -> None:
    """A text that is sent beside an entity and is no time is the caller's fault, at its own place in `entities`."""
    write(server, 17, HELD)
    rows = [{"customer_id": 17, "age": 1, "city": city} for city in ("2026-11-27", "yesterday")]

    async def run() -> None:
        async with store(server.url) as used:
            used.know(Timed())
            status, code, problems = await refused(used, *rows)
            assert (status, code, [*problems]) == (422, "rows-do-not-fit", ["entities[1].city"])

    asyncio.run(run())


MOMENT = b"$27\r\n2026-11-27T08:30:00.000000Z\r\n"


@pytest.mark.parametrize(
    "answer",
    [b":1\r\n", b"$-1\r\n", b"+OK\r\n", b"*5\r\n$1\r\n1\r\n:5\r\n:6\r\n:7\r\n:8\r\n", b"*1\r\n$1\r\n1\r\n"]
    + [b"*5\r\n$1\r\n1\r\n" + MOMENT + b":6\r\n:7\r\n:8\r\n", b"*1\r\n" * 3000 + b":1\r\n"],
)
def test_answer__that_redis_does_not_give(answer: bytes) -> None:
    """A server that answers HMGET by something else is no store: 503, counted, left alone, and used once it answers."""
    odd = True

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            fields = len(words) - 2
            good = b"*1\r\n$1\r\n1\r\n" if fields == 1 else b"*5\r\n$1\r\n1\r\n" + MOMENT + b"$4\r\nnull\r\n" * 3
            writer.write(b"+OK\r\n" if words[0] != b"HMGET" else answer if odd and fields > 1 else good)
        writer.close()

    async def run() -> None:
        nonlocal odd
        port = free_port()
        async with await asyncio.start_server(talk, "127.0.0.1", port):
            async with store(f"redis://127.0.0.1:{port}") as used:
                row = {"customer_id": 17, "age": 1}
                assert await refused(used, row) == (503, "features-unavailable", {})
                assert used.counts["unanswered"] == 1 and used.lookups.breaker.opened == 1
                odd = False
                await until(lambda: used.ready() is None)
                question, _ = await asked(used, row)
                assert question.batch.columns["income"] == [None]

    asyncio.run(run())


def test_killed_and_back(server: Server) -> None:
    """Without Redis requests are refused at once and the gateway is not ready; when it is back, it is used again."""

    async def run() -> None:
        with serving() as own:
            write(own, 17, HELD)
            async with store(own.url) as used:
                await asked(used, {"customer_id": 17, "age": 1})
                own.kill()
                assert (await refused(used, {"customer_id": 17, "age": 1}))[:2] == (503, "features-unavailable")
                await until(lambda: used.ready() is not None)
                began = time.perf_counter()
                assert (await refused(used, {"customer_id": 17, "age": 1}))[:2] == (503, "features-unavailable")
                assert time.perf_counter() - began < 1
                # What needs no store is answered.
                await asked(used, {"age": 1, **HELD})
                own.start()
                write(own, 17, HELD)
                await until(lambda: used.ready() is None)
                await asked(used, {"customer_id": 17, "age": 1})

    asyncio.run(run())


def test_paused__never_longer_than_the_budget(server: Server) -> None:
    """A Redis that does not answer costs a request its budget, five of them open the breaker, and then nothing."""

    async def run() -> None:
        async with store(server.url, FEATURE_BUDGET_MS="100") as used:
            for _ in range(25):
                await asked(used, {"customer_id": 17, "age": 1})
            server.signal(signal.SIGSTOP)
            try:
                times = []
                while used.ready() is None:
                    began = time.perf_counter()
                    status, code, _ = await refused(used, {"customer_id": 17, "age": 1})
                    times.append(time.perf_counter() - began)
                    assert (status, code) == (503, "features-unavailable")
                assert 4 <= len(times) <= 6 and max(times) < 1
                assert (await refused(used, {"customer_id": 17, "age": 1}))[:2] == (503, "features-unavailable")
                assert used.counts["bypassed-open"] == 1
            finally:
                server.signal(signal.SIGCONT)
            await until(lambda: used.ready() is None)
            await asked(used, {"customer_id": 17, "age": 1})

    asyncio.run(run())


def test_not_answered__by_a_server_that_refuses(server: Server) -> None:
    """A Redis that asks for a password has not answered: the store is not usable, and its words are not repeated."""

    async def run() -> None:
        with serving("--requirepass", "secret") as own:
            async with store(own.url, wait=False) as used:
                await until(lambda: used.ready() != "the online store is not usable: not asked yet")
                assert used.ready() == "the online store is not usable: AuthenticationError"
            async with store(own.url.replace("//", "//:secret@")) as used:
                status, code, _ = await refused(used, {"customer_id": 17, "age": 1})
                assert (status, code) == (422, "features-missing")

    asyncio.run(run())


def test_cluster__entities_are_spread_over_its_slots() -> None:
    """In a cluster the entities of one request lie in different slots; all are found, one that is no hash is told."""

    async def run(server: Server) -> None:
        client: Any = server.ask()
        for number in range(4):
            write(server, number, HELD | {"income": number})
        client.set(layout.key_of("customer_id", 4), "text")
        async with store(server.url, FEATURE_STORE_CLUSTER="true") as used:
            question, _ = await asked(used, *({"customer_id": number, "age": 1} for number in range(4)))
            assert question.batch.columns["income"] == [0.0, 1.0, 2.0, 3.0]
            assert (await refused(used, {"customer_id": 4, "age": 1}))[:2] == (503, "features-unusable")

    with serving_cluster() as server:
        asyncio.run(run(server))
