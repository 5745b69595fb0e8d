"""The application on its own, asked through ASGI: who is told of a request, and what paths and methods are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cd4ml.serving.app import Gateway
from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.refused import Refused
from cd4ml.serving.settings import Settings, SettingsError
from cd4ml.serving.signature import Column, Tensor
from cd4ml.serving.state import Phase, Service, State
from cd4ml.serving.whole import BEGUN


@dataclass
class Doubling:
    """A runtime that doubles x, refuses what is negative and fails at 13."""

    inline_rows: int = 0
    tensors: Sequence[Tensor] = ()
    name: str = "native"
    columns: Sequence[Column] = (Column(name="x", type="double"),)
    classes: Sequence[Any] = ()
    positive_label: Any = None

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        if min(batch.columns["x"]) < 0:
            raise Refused(422, "refused-by-model", "The model cannot handle these values.")
        if 13 in batch.columns["x"]:
            raise RuntimeError("thirteen")
        return Answers([value * 2 for value in batch.columns["x"]], None)

    def warm_up(self) -> str:
        """See Runtime."""
        return "blank-row"


@dataclass
class Listener:
    """An observer that keeps what it is told."""

    told: list[Exchange] = field(default_factory=list)

    def finished(self, exchange: Exchange) -> None:
        """See Observer."""
        self.told.append(exchange)

    async def start(self) -> None:
        """See Observer."""

    async def close(self) -> None:
        """See Observer."""


def ask(
    body: Any,
    *,
    runtime: Doubling | None,
    path: str = "/predict",
    method: str = "POST",
    settings: Settings = Settings(),
) -> tuple[httpx.Response, list[Exchange]]:
    """Ask the application once, and return its answer and what its observer was told."""
    service = Service(name="loans", version="3", sha256="0" * 64)
    state = State(folder=Path("unused"), service=service)
    if runtime is not None:
        state.runtime, state.phase, state.reason = runtime, Phase.READY, ""
    listener = Listener()
    gateway = Gateway(state, settings, [listener])

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(gateway)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, json=body)

    return asyncio.run(once()), listener.told


@pytest.mark.parametrize("inline", [0, 10], ids=["thread", "inline"])
@pytest.mark.parametrize(
    ("value", "status", "error"), [(2.0, 200, None), (-1.0, 422, "refused-by-model"), (13.0, 500, "model-failed")]
)
def test_observer__told_of_every_request(value: float, status: int, error: str | None, inline: int) -> None:
    """An observer is told once of each request for predictions, answered, refused or failed, on either road."""
    answer, (exchange,) = ask({"rows": [{"x": value}]}, runtime=Doubling(inline_rows=inline))

    assert (answer.status_code, exchange.status, exchange.error) == (status, status, error)
    assert exchange.batch == Batch({"x": [value]}, 1) and exchange.bytes_in > 0 and exchange.seconds > 0
    assert (exchange.answers == Answers([value * 2], None)) is (status == 200)


@pytest.mark.parametrize(
    ("value", "status", "error"), [(2.0, 200, None), (-1.0, 422, "refused-by-model"), (13.0, 500, "model-failed")]
)
def test_at_once__as_in_its_turn(value: float, status: int, error: str | None) -> None:
    """A whole request is answered at once as the application answers it, and its observer is told after the answer."""
    rows = {"rows": [{"x": value}]}
    answer, _ = ask(rows, runtime=Doubling(inline_rows=1))
    listener, wrote = Listener(), []
    gateway = ready(listener, runtime=Doubling(inline_rows=1))

    def write(status: int, rest: bytes) -> None:
        wrote.append((status, rest, len(listener.told)))

    headers = [(b"content-type", b"application/json"), (b"x-request-id", b"mine")]
    assert gateway.at_once is not None
    assert gateway.at_once.answer("/predict", b"", headers, json.dumps(rows).encode(), write) is None

    ((seen, rest, told),) = wrote
    head, _, body = rest.partition(b"\r\n\r\n")
    assert (seen, body, told) == (answer.status_code, answer.content, 0) and seen == status
    assert b"content-length: %d" % len(body) in head and b"x-request-id: mine" in head and b"traceparent: 00-" in head
    assert [(told.status, told.error, told.seconds > 0) for told in listener.told] == [(status, error, True)]


@pytest.mark.parametrize("inline", [0, 1], ids=["thread", "inline"])
def test_at_once__not_what_is_too_large(inline: int) -> None:
    """A whole body of more than BODY_BYTES is refused as any other is, and the answer ends the connection."""
    body = b'{"rows": [{"x": 4}]}'
    wrote: list[tuple[int, bytes]] = []

    for most in (len(body), len(body) - 1):
        gateway = ready(
            listener := Listener(), runtime=Doubling(inline_rows=inline), settings=Settings(body_bytes=most)
        )
        assert gateway.at_once is not None
        begun = gateway.at_once.answer(
            "/predict", b"", [(b"content-type", b"application/json")], body, lambda *answer: wrote.append(answer)
        )
        assert (begun is None) is (inline == 1 or most < len(body))

    status, rest = wrote[-1]
    assert status == 413 and b'"too-large"' in rest and b"connection: close\r\n" in rest
    assert [(told.status, told.error) for told in listener.told] == [(413, "too-large")]
    assert [status for status, _ in wrote[:-1]] == [200] * inline


def test_at_once__not_where_a_thread_predicts() -> None:
    """A request that needs a thread is not answered at once: the application goes on with it, and reads it no more."""
    listener, sent = Listener(), []
    gateway = ready(listener)
    headers = [(b"content-type", b"application/json")]

    def write(_status: int, _rest: bytes) -> None:
        raise AssertionError("the answer was not awaited")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    assert gateway.at_once is not None
    begun = gateway.at_once.answer("/predict", b"", headers, b'{"rows": [{"x": 4}]}', write)
    assert begun is not None and listener.told == []
    scope = {"type": "http", "path": "/predict", "method": "POST", "headers": headers, "query_string": b""}
    asyncio.run(gateway(scope | {BEGUN: begun}, receive, send))

    assert sent[0]["status"] == 200 and b'"y_pred":8' in sent[1]["body"]
    assert [exchange.status for exchange in listener.told] == [200] and gateway.predicting.in_flight == 0


def test_observer__of_no_probe() -> None:
    """Probes are no requests for predictions: no observer is told of them."""
    answer, told = ask(None, runtime=Doubling(), path="/health/readiness", method="GET")

    assert answer.status_code == 200 and told == []


def test_not_ready__come_again() -> None:
    """Before the model is loaded a request is refused with 503, and told when to come again."""
    answer, (exchange,) = ask({"rows": [{"x": 1.0}]}, runtime=None)

    assert (answer.status_code, exchange.error, answer.headers["retry-after"]) == (503, "not-ready", "1")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/predict", 405, "POST"),
        ("POST", "/version", 405, "GET, HEAD"),
        ("GET", "/nothing", 404, None),
    ],
)
def test_paths__others(method: str, path: str, status: int, allow: str | None) -> None:
    """A path that is not there, and a method that a path does not answer, are told in JSON."""
    answer, _ = ask(None, runtime=Doubling(), path=path, method=method)

    assert (answer.status_code, answer.headers.get("allow")) == (status, allow)
    assert answer.json()["error"]["code"] in ("not-found", "not-allowed")


def test_limits__as_set() -> None:
    """The settings decide how large a body and how long a table may be."""
    rows = {"rows": [{"x": 1.0}] * 3}

    assert ask(rows, runtime=Doubling(), settings=Settings(max_rows=2))[1][0].error == "too-many-rows"
    assert ask(rows, runtime=Doubling(), settings=Settings(body_bytes=20))[1][0].error == "too-large"
    assert ask(rows, runtime=Doubling(), settings=Settings(max_rows=3))[1][0].error is None


class Broken(Listener):
    """An observer that fails."""

    def finished(self, exchange: Exchange) -> None:
        """See Observer."""
        raise OverflowError("too large")


def ready(*observers: Listener, runtime: Doubling = Doubling(), settings: Settings = Settings()) -> Gateway:
    """Return an application that is ready, with observers."""
    state = State(folder=Path("unused"), service=Service(name="loans", version="3", sha256="0" * 64))
    state.runtime, state.phase, state.reason = runtime, Phase.READY, ""
    return Gateway(state, settings, observers)


async def post(gateway: Gateway) -> httpx.Response:
    """Ask for a prediction."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://gateway") as client:
        return await client.post("/predict", json={"rows": [{"x": 1.0}]})


def test_observer__that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """An observer that fails takes no request from the others and no answer from the client, and is logged once."""
    listener = Listener()
    gateway = ready(Broken(), listener)

    async def twice() -> list[int]:
        return [(await post(gateway)).status_code for _ in range(2)]

    assert asyncio.run(twice()) == [200, 200] and len(listener.told) == 2
    assert [record.getMessage() for record in caplog.records] == ["Broken failed on a request"]


def test_observer__of_a_request_that_was_cut_off() -> None:
    """A request that the end of the gateway cancels is answered in JSON, and its observers are told."""
    listener, sent = Listener(), []
    gateway = ready(listener)

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async def cancelled() -> None:
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "path": "/predict", "method": "POST", "headers": headers, "query_string": b""}
        task = asyncio.create_task(gateway(scope, never, send))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    (exchange,) = listener.told
    assert (exchange.status, exchange.error, gateway.predicting.in_flight) == (
        500,
        "cut-off",
        0,
    ) and exchange.seconds > 0
    assert sent[0]["status"] == 500 and b'"cut-off"' in sent[1]["body"]


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "{}", '{"name": "m", "sha256": 1}', '{"name": null, "sha256": "0"}', "[" * 100_000]
)
def test_service_file__broken(tmp_path: Path, text: str | None) -> None:
    """A service file that is missing, or does not say which model it is, is an error that names the variable."""
    file = tmp_path / "service.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match="^SERVICE_FILE .*service.json (cannot be read|must be)"):
        Service.read(file)
