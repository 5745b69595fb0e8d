"""Features from a server that answers as Feast's feature server 0.67 does: a stand-in of its HTTP contract.

Feast itself takes longer to start than all of these tests: `tests/real_engines/test_feast.py` asks a real one.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cd4ml.serving.features.setup import feature_store
from cd4ml.serving.settings import Settings, SettingsError
from tests.serving.features.stores import asked, refused, store
from tests.serving.redis import until

ENTITIES = json.dumps(
    {
        "customer_id": {"type": "long", "features": ["customers:income", "customers:member"]},
        "city_name": {"type": "string", "features": ["cities:city"]},
    }
)
NEVER, HELD = "1970-01-01T00:00:00Z", "2026-11-27T08:30:00Z"
ROW = {"customer_id": 17, "city_name": "oslo", "age": 1}


@dataclass(kw_only=True)
class Stand:
    """The stand-in.

    Attributes:
        values: value, status and event timestamp by a feature's name and the value that names its entity.
        status: of its answers.
        body: what it answers, None for what Feast would.
        asked: documents that it was asked with, and the value of their Authorization header.
        closes: whether it closes each connection after its answer, without a word.
    """

    url: str = ""
    values: dict[tuple[str, Any], tuple[Any, str, str]] = field(default_factory=dict)
    status: int = 200
    body: bytes | None = None
    asked: list[tuple[dict[str, Any], str | None]] = field(default_factory=list)
    closes: bool = False
    connections: int = 0

    def answer(self, asked: dict[str, Any]) -> bytes:
        """Return what Feast answers."""
        ((join_key, rows),) = asked["entities"].items()
        names = [reference.partition(":")[2] for reference in asked["features"]]
        columns = [[self.values.get((name, row), (None, "NOT_FOUND", NEVER)) for row in rows] for name in names]
        results = [{"values": rows, "statuses": ["PRESENT"] * len(rows), "event_timestamps": [NEVER] * len(rows)}]
        for column in columns:
            values, statuses, moments = zip(*column, strict=True)
            results.append({"values": values, "statuses": statuses, "event_timestamps": moments})
        return json.dumps({"metadata": {"feature_names": [join_key, *names]}, "results": results}).encode()


@pytest.fixture
def stand() -> Iterator[Stand]:
    """The stand-in, which listens."""
    about = Stand()

    class Handler(BaseHTTPRequestHandler):
        """Answers."""

        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            """Count the connection."""
            super().setup()
            about.connections += 1

        def do_GET(self) -> None:
            """Answer a probe."""
            self.write(200 if self.path == "/health" else 404, b"")

        def do_POST(self) -> None:
            """Answer a request for features."""
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            about.asked.append((document, self.headers["Authorization"]))
            assert self.path == "/get-online-features" and document["full_feature_names"] is False
            self.write(about.status, about.answer(document) if about.body is None else about.body)

        def write(self, status: int, body: bytes) -> None:
            """Write an answer."""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = about.closes

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        about.url = f"http://127.0.0.1:{server.server_address[1]}"
        for name, value in (("income", 52000.5), ("member", True)):
            about.values[name, 17] = value, "PRESENT", HELD
        about.values["city", "oslo"] = "Oslo", "PRESENT", HELD
        yield about
        server.shutdown()


@pytest.mark.parametrize("closes", [False, True])
def test_features__of_two_entities(stand: Stand, closes: bool) -> None:
    """One request for each kind of entity brings the features of all rows, on connections that stay open or are new."""
    stand.closes = closes
    stand.values["income", 18], stand.values["member", 18] = (None, "NULL_VALUE", HELD), (False, "PRESENT", HELD)

    async def run() -> None:
        async with store(stand.url, FEATURE_ENTITIES=ENTITIES, FEATURE_STORE_TOKEN="secret") as used:
            for _ in range(3):
                question, exchange = await asked(used, ROW, ROW | {"customer_id": 18}, ROW)
            assert question.batch.columns == {
                "age": [1, 1, 1],
                "income": [52000.5, None, 52000.5],
                "city": ["Oslo"] * 3,
                "member": [True, False, True],
            }
            assert exchange.fetched is not None
            held = "2026-11-27T08:30:00.000000Z"
            assert exchange.fetched[1] == {"income": held, "member": held, "city": held}

    asyncio.run(run())

    assert len(stand.asked) == 6 and {token for _, token in stand.asked} == {"Bearer secret"}
    wanted = [(one["entities"], one["features"]) for one, _ in stand.asked[:2]]
    assert ({"customer_id": [17, 18]}, ["customers:income", "customers:member"]) in wanted
    assert ({"city_name": ["oslo"]}, ["cities:city"]) in wanted
    assert stand.connections > 6 if closes else stand.connections <= 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((None, "NOT_FOUND", NEVER), (422, "features-missing", "is not in the online store")),
        ((None, "PRESENT", NEVER), (422, "features-missing", "is not in the online store")),
        ((1.5, "OUTSIDE_MAX_AGE", HELD), (422, "features-missing", "is too old in the online store")),
        (("1.5", "PRESENT", HELD), (503, "features-unusable", "must be a number or null")),
        (([1.5], "PRESENT", HELD), (503, "features-unusable", "is not readable")),
        ((1.5, "PRESENT", NEVER), (503, "features-unusable", "is not readable")),
        ((1.5, "ODD", HELD), (503, "features-unusable", "is not readable")),
        ((1.5, "PRESENT", "2026-11-27T08:30:00"), (503, "features-unusable", "is not readable")),
    ],
)
def test_features__that_are_not_used(stand: Stand, value: tuple[Any, str, str], expected: tuple[int, str, str]) -> None:
    """What Feast does not have, holds for too old, or holds in another form is refused by name."""
    stand.values["income", 17] = value

    async def run() -> None:
        async with store(stand.url, FEATURE_ENTITIES=ENTITIES) as used:
            status, code, problems = await refused(used, ROW)
            assert (status, code, problems) == (*expected[:2], {"entities[0].income": expected[2]})
            assert used.ready() is None

    asyncio.run(run())


def test_answer__in_another_order(stand: Stand) -> None:
    """Values of an entity that was not asked for at this place are refused, and never taken for another's."""
    for number in (18, 19):
        for name in ("income", "member"):
            stand.values[name, number] = stand.values[name, 17]
    answer = json.loads(stand.answer({"entities": {"customer_id": [18, 17, 19]}, "features": ["c:income", "c:member"]}))
    stand.body = json.dumps(answer).encode()

    async def run() -> None:
        entities = json.dumps({"customer_id": json.loads(ENTITIES)["customer_id"]})
        async with store(stand.url, FEATURE_ENTITIES=entities, FEATURE_MISSING="null") as used:
            rows = [{"customer_id": number, "age": 1, "city": "Oslo"} for number in (17, 18, 19)]
            status, code, problems = await refused(used, *rows)
            assert (status, code) == (503, "features-unusable")
            assert problems == {
                f"entities[{at}].{name}": "is not readable" for at in (0, 1) for name in ("income", "member")
            }

    asyncio.run(run())


SHORT = b'{"metadata": {"feature_names": ["customer_id"]}, "results": []}'


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (404, b""), (200, b"[]"), (200, b"<html>"), (200, SHORT)])
def test_answer__of_another_server(stand: Stand, status: int, body: bytes) -> None:
    """A server that does not answer as Feast does is no store: 503, and it is left alone."""
    stand.status, stand.body = status, body

    async def run() -> None:
        async with store(stand.url, FEATURE_ENTITIES=ENTITIES) as used:
            assert await refused(used, ROW) == (503, "features-unavailable", {})
            assert used.lookups.breaker.opened == 1
            stand.status, stand.body = 200, None
            await until(lambda: used.ready() is None)
            await asked(used, ROW)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "entities", "problem"),
    [
        ("", ENTITIES, "FEATURE_STORE_URL and FEATURE_ENTITIES need each other"),
        ("ftp://x", ENTITIES, "FEATURE_STORE_URL must begin with redis://"),
        ("http://", ENTITIES, "FEATURE_STORE_URL must be http:// or https:// with a host"),
        ("http://user:secret@x", ENTITIES, "FEATURE_STORE_URL must be http:// or https:// with a host"),
        ("http://x:99999", ENTITIES, "FEATURE_STORE_URL must be http:// or https:// with a host"),
        ("http://x\r\nEvil: 1", ENTITIES, "FEATURE_STORE_URL must be http:// or https:// with a host"),
        ("http://x", ENTITIES.replace("cities:", ""), "Feast calls a feature view:feature, not 'city'"),
        ("redis://x", "", "FEATURE_STORE_URL and FEATURE_ENTITIES need each other"),
        ("redis://x", "customer_id", "FEATURE_ENTITIES must be a JSON object such as {"),
        ("redis://x", "[" * 100_000, "FEATURE_ENTITIES must be a JSON object such as {"),
        ("redis://x", '{"a": ["b"]}', "'a' must be an object with `type` and `features`"),
        ("redis://x", '{"a": {"type": "double", "features": ["b"]}}', "the type must be one of integer, long, string"),
        ("redis://x", '{"a": {"type": "long", "features": []}}', "features must be a list of names"),
        ("redis://x", '{"a": {"type": "long", "features": ["b", "b"]}}', "has a feature twice"),
        ("redis://x", '{"a": {"type": "long", "features": ["@x"]}}', "no feature in Redis begins with @"),
        ("redis://x", ENTITIES.replace("cities:city", "city:income"), "has the feature 'income' twice"),
    ],
)
def test_settings__refused_at_the_start(url: str, entities: str, problem: str) -> None:
    """A setting that cannot work is said before anything is connected, and no password is repeated."""
    with pytest.raises(SettingsError) as error:
        feature_store(Settings.read({"FEATURE_STORE_URL": url, "FEATURE_ENTITIES": entities}))

    assert problem in str(error.value) and "secret" not in str(error.value)


def test_settings__a_feature_that_the_model_does_not_take() -> None:
    """A misspelt feature keeps the gateway from becoming ready instead of being missing in every row."""

    async def run() -> None:
        async with store("redis://127.0.0.1:1", FEATURE_ENTITIES=ENTITIES.replace(":income", ":incomes")):
            raise AssertionError

    with pytest.raises(SettingsError, match="FEATURE_ENTITIES names an unknown column: 'incomes'"):
        asyncio.run(run())
