"""Trace context and request ids, as the W3C's recommendation has them."""

from __future__ import annotations

import pytest

from cd4ml.serving.telemetry.context import Context, answer_headers
from tests.serving.telemetry.exchanges import PARENT

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_traceparent__taken_over_and_sent_on() -> None:
    """A request in a trace belongs to it: the same trace, sampling and state, and a span of its own."""
    headers = [(b"traceparent", PARENT), (b"tracestate", b"a=1, b@c=2"), (b"tracestate", b"d=3"), (b"host", b"x")]

    exchange = Context(sampled=0).begin("predict", headers)
    answer = dict(answer_headers(exchange))

    assert (exchange.trace_id, exchange.parent_id, exchange.sampled) == (TRACE, "b7ad6b7169203331", True)
    assert exchange.span_id != exchange.parent_id and len(exchange.span_id) == 16
    assert answer[b"traceparent"].decode() == f"00-{TRACE}-{exchange.span_id}-01"
    assert answer[b"tracestate"] == b"a=1,b@c=2,d=3"


@pytest.mark.parametrize(
    "parent",
    [
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX: y",
        b"",
    ],
)
def test_traceparent__malformed_begins_anew(parent: bytes) -> None:
    """What is no traceparent is not taken over, and neither is the state beside it."""
    exchange = Context().begin("predict", [(b"traceparent", parent), (b"tracestate", b"a=1")])

    assert exchange.trace_id != TRACE and exchange.parent_id is None and not exchange.sampled
    assert b"tracestate" not in dict(answer_headers(exchange))


def test_traceparent__later_version_and_repetition() -> None:
    """Of a later version the known beginning counts; two parents are none."""
    later = Context().begin("predict", [(b"traceparent", b"cc" + PARENT[2:] + b"-more")])
    twice = Context().begin("predict", [(b"traceparent", PARENT), (b"traceparent", PARENT)])

    assert later.trace_id == TRACE
    assert twice.trace_id != TRACE


@pytest.mark.parametrize(
    "state", [b"a", b"A=1", b"a=1,a=2", b"a=\x01", b"a=" + b"x" * 600, b",".join(b"a%d=1" % n for n in range(33))]
)
def test_tracestate__malformed_dropped(state: bytes) -> None:
    """A state that is malformed or too long is not sent on; the trace goes on without it."""
    exchange = Context().begin("predict", [(b"traceparent", PARENT), (b"tracestate", state)])

    assert exchange.trace_id == TRACE and exchange.tracestate is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"order-7/a:b@c", True),
        (b"a" * 128, True),
        (b"a" * 129, False),
        (b'x"\n{', False),
        (b"\xe9", False),
        (b"", False),
    ],
)
def test_request_id__kept_if_well_formed(given: bytes, kept: bool) -> None:
    """A request id of safe characters and bounded length is answered as it came; any other is replaced."""
    exchange = Context().begin("predict", [(b"x-request-id", given)])

    expected = given if kept else exchange.trace_id.encode()
    assert dict(answer_headers(exchange))[b"x-request-id"] == expected


def test_sampled__share_of_new_traces() -> None:
    """Of traces that begin here the share that was asked for is sampled, and none where spans go nowhere."""
    half = sum(Context(sampled=0.5).begin("predict", ()).sampled for _ in range(2000))

    assert 850 < half < 1150
    assert not any(Context().begin("predict", ()).sampled for _ in range(50))
