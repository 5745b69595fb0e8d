"""What is read from a connection as a request, and what a client may owe: real sockets before a small application."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from cd4ml.serving.connections import protocol, watch
from cd4ml.serving.exchange import HeaderList
from cd4ml.serving.lingering import MOST_LINGERING, Lingering
from cd4ml.serving.replies import Write
from cd4ml.serving.settings import Settings
from cd4ml.serving.whole import BEGUN, AtOnce

SETTINGS = Settings(header_seconds=1, body_seconds=4, header_bytes=4096, connections=5)
CHUNKED = b"POST /echo HTTP/1.1\r\nhost: x\r\nx-track: stable\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
ASKS_FOR_H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer what was read of a request; at /large with 8 MB, and at /early before the body is whole."""
    body, more = scope.get(BEGUN, b""), scope["path"] != "/early" and BEGUN not in scope
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    headers = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    text = json.dumps([scope["method"], scope["path"], headers, body.decode()]).encode()
    text = b"x" * 8_000_000 if scope["path"] == "/large" else text
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


def answer_at_once(path: str, query: bytes, _headers: HeaderList, body: bytes, write: Write) -> object | None:
    """Answer a whole request with its query and body; have the application answer one that asks for it."""
    if query == b"wait":
        return body
    text = json.dumps(["at once", path, query.decode(), body.decode()]).encode()
    write(413 if query == b"large" else 200, b"content-length: %d\r\n\r\n%b" % (len(text), text))
    return None


@dataclass
class Served:
    """A server in this process."""

    port: int
    state: ServerState

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def talk(self, *pieces: bytes, seconds: float = 0.3) -> bytes:
        """Send pieces one after another, and return all that is answered until nothing comes for a while."""
        reader, writer = await self.connect()
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while more := await asyncio.wait_for(reader.read(65536), seconds):
                said += more
        writer.close()
        return said


@contextlib.asynccontextmanager
async def served(settings: Settings = SETTINGS) -> AsyncIterator[Served]:
    """Serve the small application."""
    state = ServerState()
    config = uvicorn.Config(echo, lifespan="off", log_config=None, ws="none", access_log=False, timeout_keep_alive=75)
    config.load()
    at_once = AtOnce(paths={b"/whole": "/whole"}, answer=answer_at_once)
    kind = protocol(settings, settings.connections, at_once)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: kind(config, state, {}), "127.0.0.1", 0)
    watching = asyncio.create_task(watch(state))
    try:
        yield Served(server.sockets[0].getsockname()[1], state)
    finally:
        watching.cancel()
        server.close()


def run(check: Callable[[Served], Awaitable[None]], settings: Settings = SETTINGS) -> None:
    """Run a check against a server."""

    async def around() -> None:
        async with served(settings) as server:
            await check(server)

    uvloop.run(around())


def answered(said: bytes) -> list[list[Any]]:
    """Return what the application has read of each request."""
    return [json.loads(part.partition(b"\r\n\r\n")[2]) for part in said.split(b"HTTP/1.1 200 OK\r\n")[1:]]


def post(body: bytes, *, target: bytes = b"/whole", more: bytes = b"") -> bytes:
    """Return a request."""
    return b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%b\r\n%b" % (target, len(body), more, body)


def test_a_whole_request_is_answered_at_once() -> None:
    """A request that comes whole is answered without the application, again and again on one connection."""

    async def check(server: Served) -> None:
        said = await server.talk(post(b"a"), post(b"b", target=b"/whole?q"))
        assert answered(said) == [["at once", "/whole", "", "a"], ["at once", "/whole", "q", "b"]]
        assert said.startswith(b"HTTP/1.1 200 OK\r\n") and server.state.total_requests == 2

    run(check)


@pytest.mark.parametrize(
    "pieces",
    [
        (post(b"ab")[:-1], b"b"),
        (post(b"ab")[:-2], b"ab"),
        (post(b"ab", target=b"/whole?wait"),),
        (post(b"ab", target=b"/other"),),
        (post(b"ab", more=b"connection: close\r\n"),),
        (post(b"ab", more=b"expect: 100-continue\r\n"),),
        (post(b"ab").replace(b"HTTP/1.1", b"HTTP/1.0"),),
    ],
    ids=["cut-body", "cut-head", "has-to-wait", "another-path", "last", "expects", "http-1.0"],
)
def test_other_requests_go_to_the_application(pieces: tuple[bytes, ...]) -> None:
    """A request that is not whole at once, has to wait or ends its connection is answered in its turn, once."""

    async def check(server: Served) -> None:
        said = await server.talk(*pieces)
        (answer,) = answered(said)
        assert answer[0] == "POST" and answer[3] == "ab"
        assert server.state.total_requests == 1

    run(check)


def test_requests_that_come_together_are_answered_in_order() -> None:
    """Of requests in one piece only the first is answered at once; the others are answered in their order."""

    async def check(server: Served) -> None:
        said = await server.talk(post(b"a") + post(b"b") + post(b"c", target=b"/other") + post(b"d"))
        assert [answer[3] for answer in answered(said)] == ["a", "b", "c", "d"]
        assert [answer[0] for answer in answered(said)] == ["at once", "POST", "POST", "POST"]

    run(check)


@pytest.mark.parametrize(
    ("first", "body"),
    [
        (b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n", ""),
        (post(b"a", target=b"/other"), "a"),
        (post(b"a", target=b"/%77hole"), "a"),
        (post(b"a", more=b"expect: 100-continue\r\n"), "a"),
        (post(b"a", target=b"/whole?wait"), "a"),
    ],
    ids=["page", "another-path", "encoded-path", "expects", "has-to-wait"],
)
def test_no_request_is_answered_before_one_that_came_first(first: bytes, body: str) -> None:
    """Where the application answers the first request of one piece, those that could be answered at once wait."""

    async def check(server: Served) -> None:
        said = await server.talk(first + post(b"b") + post(b"c"), post(b"d"))
        assert [answer[3] for answer in answered(said)] == [body, "b", "c", "d"]

    run(check)


def test_the_last_answer_says_so() -> None:
    """A whole request on a connection that is about to end is answered, and told that the answer is the last."""

    async def check(server: Served) -> None:
        reader, writer = await server.connect()
        writer.write(post(b"a"))
        assert b"connection: close" not in await reader.readuntil(b"\r\n\r\n")
        for connection in server.state.connections:
            connection.shutdown()
        writer.write(post(b"b"))
        said = await asyncio.wait_for(reader.read(), 5)
        assert b"HTTP/1.1 200 OK" in said and b"connection: close" in said and said.endswith(b'"b"]')
        writer.close()

    run(check)


def test_an_answer_at_once_may_end_the_connection() -> None:
    """After an answer by which a connection ends nothing more is answered."""

    async def check(server: Served) -> None:
        said = await server.talk(post(b"a", target=b"/whole?large") + post(b"b", target=b"/other"))
        assert said.startswith(b"HTTP/1.1 413") and said.count(b"HTTP/1.1") == 1
        assert not server.state.connections and server.state.total_requests == 1

    run(check)


def test_trailers_are_no_headers() -> None:
    """What follows a chunked body changes no header that was read before it, and the body is read."""

    async def check(server: Served) -> None:
        ((_, _, headers, body),) = answered(await server.talk(CHUNKED, b"x-track: canary\r\nx-more: y\r\n\r\n"))
        assert body == "ab" and [value for name, value in headers if name == "x-track"] == ["stable"]
        assert "x-more" not in dict(headers)

    run(check)


@pytest.mark.parametrize("trailer", [b"a: b\r\n", b"a: ", b""], ids=["lines", "one-value", "chunk-extension"])
def test_trailers_are_bounded(trailer: bytes) -> None:
    """What is sent beside a body is cut off when it is longer than a head may be."""
    start = CHUNKED + trailer if trailer else CHUNKED.replace(b"0\r\n", b"5;")

    async def check(server: Served) -> None:
        reader, writer = await server.connect()
        writer.write(start)
        with contextlib.suppress(ConnectionError):
            for _ in range(8):
                await asyncio.sleep(0.02)
                if not writer.transport.is_closing():
                    writer.write((trailer if trailer == b"a: b\r\n" else b"xxxxxx") * 200)
            said = await asyncio.wait_for(reader.read(), 0.5)
            assert said.startswith(b"HTTP/1.1 431") and said.count(b"HTTP/1.1") == 1
        assert not server.state.connections
        writer.close()

    run(check)


def test_small_chunks_are_no_trailers() -> None:
    """A body that comes in many small chunks is read however much its chunks' own lines have."""

    async def check(server: Served) -> None:
        head = CHUNKED.partition(b"2\r\nab")[0]
        ((*_, body),) = answered(await server.talk(head, *[b"1\r\nx\r\n" * 400] * 6, b"0\r\n\r\n"))
        assert body == "x" * 2400

    run(check)


@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize(
    "wish", [ASKS_FOR_H2C, b"connection: upgrade\r\nupgrade: websocket\r\n"], ids=["h2c", "websocket"]
)
@pytest.mark.parametrize(
    ("length", "body"),
    [
        (b"content-length: 34\r\n", b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"[:34]),
        (b"transfer-encoding: chunked\r\n", b"22\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"[:38] + b"\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunked"],
)
def test_a_wish_for_another_protocol_is_not_heard(segments: int, wish: bytes, length: bytes, body: bytes) -> None:
    """A request that asks for HTTP/2 or a WebSocket keeps its body, which is never read as another request."""
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\n" + wish + length + b"\r\n"
    after = b"GET /after HTTP/1.1\r\nhost: x\r\n\r\n"
    pieces = [head + body + after] if segments == 1 else [head, body, after]

    async def check(server: Served) -> None:
        first, second = answered(await server.talk(*pieces))
        assert first[:2] == ["POST", "/echo"] and first[3] == "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"[:34]
        assert "upgrade" not in dict(first[2]) and second[1] == "/after"

    run(check)


def test_connect_is_refused() -> None:
    """The gateway opens no tunnel: what comes after CONNECT is not read."""

    async def check(server: Served) -> None:
        said = await server.talk(b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 400") and said.count(b"HTTP/1.1") == 1

    run(check)


@pytest.mark.parametrize(("size", "status"), [(3900, b"200"), (4100, b"431"), (30_000, b"431")])
def test_a_head_that_comes_at_once_has_its_limit_too(size: int, status: bytes) -> None:
    """HEADER_BYTES bounds a head that is whole with the first bytes that are read, and not the body beside it."""
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\nx-a: " + b"b" * size + b"\r\n\r\n"

    async def check(server: Served) -> None:
        assert (await server.talk(head + b"c" * 5000)).startswith(b"HTTP/1.1 " + status)

    run(check)


@pytest.mark.parametrize("close", [b"connection: close\r\n", b""], ids=["closing", "kept"])
def test_an_answer_that_nobody_takes_has_a_deadline(close: bytes) -> None:
    """A client that does not read its answer is cut off after HEADER_SECONDS, also where the answer is its last."""

    async def check(server: Served) -> None:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n" + close + b"\r\n")
            await asyncio.sleep(0.4)
            assert len(server.state.connections) == 1
            await asyncio.sleep(1.6)
            assert not server.state.connections

    run(check)


def test_a_second_request_has_as_long_for_its_body() -> None:
    """A request that waited for its turn has BODY_SECONDS for its body, like any other."""

    async def check(server: Served) -> None:
        second = b"POST /second HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
        reader, writer = await server.connect()
        writer.write(b"GET /first HTTP/1.1\r\nhost: x\r\n\r\n" + second)
        await asyncio.sleep(2)
        writer.write(b"ab")
        said = await asyncio.wait_for(reader.read(65536), 2) + await asyncio.wait_for(reader.read(65536), 2)
        assert [request[1] for request in answered(said)] == ["/first", "/second"]
        writer.close()

    run(check)


def test_connections_that_wait_for_their_end_are_bounded() -> None:
    """Of connections beyond CONNECTIONS only so many wait until their clients have asked; the others end at once."""

    async def check(server: Served) -> None:
        clients = [await server.connect() for _ in range(MOST_LINGERING + 40)]
        await asyncio.sleep(0.2)
        assert len(server.state.connections) == 5 and len(Lingering.open) == MOST_LINGERING
        reader, _ = clients[-1]
        assert (await asyncio.wait_for(reader.read(), 1)).startswith(b"HTTP/1.1 503")
        for _, writer in clients:
            writer.close()
        await asyncio.sleep(0.2)
        assert not Lingering.open

    run(check)
