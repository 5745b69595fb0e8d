"""Trace context and request ids: taken over from the caller where they are well-formed, else begun here.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import random
import re
import time
from typing import Final

from cd4ml.serving.exchange import Exchange, Headers

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.S)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_KEY: Final = rb"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_MEMBER: Final = re.compile(_KEY + rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_MOST_MEMBERS: Final = 32
_MOST_STATE: Final = 512
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16
_ALL: Final = 1 << 64
_NOT_ZERO: Final = 1 << 128 | 1 << 64


class Context:
    """Begins exchanges, and says in answers which trace and request they belong to."""

    def __init__(self, *, sampled: float = 0.0) -> None:
        """Prepare.

        Args:
            sampled: share of the traces begun here that are sampled; of others, whoever began them has decided.
        """
        self._limit = round(sampled * _ALL)

    def begin(self, protocol: str, headers: Headers) -> Exchange:
        """Return the exchange of a request whose head was read; the names of headers are in small letters."""
        parent: bytes | None = None
        parents, state, given = 0, b"", b""
        for name, value in headers:
            if name == b"traceparent":
                parent, parents = value, parents + 1
            elif name == b"tracestate":
                state = state + b"," + value if state else value
            elif name == b"x-request-id":
                given = value
        # Neither id may be zero. They are identifiers, no secrets.
        number = random.getrandbits(192) | _NOT_ZERO  # nosec
        ids = f"{number:048x}"
        found = _TRACEPARENT.fullmatch(parent) if parent is not None and parents == 1 else None
        parent_id: str | None = None
        tracestate: str | None = None
        if found is not None and _valid(found):
            trace, parent_id = found[2].decode(), found[3].decode()
            sampled = bool(int(found[4], 16) & 1)
            tracestate = _tracestate(state) if state else None
        else:
            trace, sampled = ids[16:], number % _ALL < self._limit
        return Exchange(
            protocol=protocol,
            request_id=given.decode() if given and _REQUEST_ID.fullmatch(given) else trace,
            trace_id=trace,
            span_id=ids[:16],
            parent_id=parent_id,
            sampled=sampled,
            tracestate=tracestate,
            time_ns=time.time_ns(),
            began=time.perf_counter(),
        )


def answer_headers(exchange: Exchange) -> list[tuple[bytes, bytes]]:
    """Return the headers by which the caller finds its request in logs and traces."""
    flags = "01" if exchange.sampled else "00"
    headers = [
        (b"traceparent", f"00-{exchange.trace_id}-{exchange.span_id}-{flags}".encode()),
        (b"x-request-id", exchange.request_id.encode()),
    ]
    if exchange.tracestate is not None:
        headers.append((b"tracestate", exchange.tracestate.encode()))
    return headers


def answer_fields(exchange: Exchange) -> bytes:
    """Return the same headers as they are written, and the end of the head."""
    if exchange.tracestate is not None:
        return b"".join(b"%b: %b\r\n" % header for header in answer_headers(exchange)) + b"\r\n"
    flags = "01" if exchange.sampled else "00"
    return (
        f"traceparent: 00-{exchange.trace_id}-{exchange.span_id}-{flags}\r\n"
        f"x-request-id: {exchange.request_id}\r\n\r\n"
    ).encode()


def _valid(found: re.Match[bytes]) -> bool:
    """Whether a traceparent of this form is one: of a later version only its beginning is read."""
    version, trace, span, _, rest = found.groups()
    return version != b"ff" and (version != b"00" or rest is None) and trace != _NO_TRACE and span != _NO_SPAN


def _tracestate(state: bytes) -> str | None:
    """Return the vendors' part of the context, None if it is not well-formed: it is sent on as it is or not at all."""
    if len(state) > _MOST_STATE:
        return None
    members = [member for part in state.split(b",") if (member := part.strip(b" \t"))]
    if not members or len(members) > _MOST_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return None
    keys = {member.partition(b"=")[0] for member in members}
    return b",".join(members).decode() if len(keys) == len(members) else None
