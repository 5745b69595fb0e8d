"""The log: one line of JSON for each request, and for whatever else the gateway and its libraries have to say.

No line repeats what a caller has sent, but for a request id and a trace id, which are well-formed when they get here.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from cd4ml.serving.clock import Clock
from cd4ml.serving.exchange import Exchange
from cd4ml.serving.telemetry.lines import LONGEST, Lines, LinesAtOnce

LEVELS: Final = ("debug", "info", "warning", "error")
# The fields of lines; those of a request's line stand in this order.
FIELDS: Final[Mapping[str, str]] = {
    "time": "When the request's head was read, or when the rest happened: ISO 8601, in UTC.",
    "level": "Request: `info`; `error` for a status from 500 on, but `warning` for 503.",
    "message": "`request`; in other lines what is said.",
    "protocol": "Request: `predict`, `v2` or `mlflow`.",
    "status": "Request: the HTTP status.",
    "error": "Request: the code of the refusal. Other lines: what was raised, and where.",
    "rows": "Request: how many rows it had.",
    "cached": "Request: how many of them were answered from the cache.",
    "seconds": "Request: from its head until the answer was handed to the server.",
    "features_seconds": "Request: how much of that it waited for features by key; left out where it asked for none.",
    "bytes": "Request: the size of its body.",
    "request_id": "Request: its `X-Request-ID`, or the trace id if it had none.",
    "trace_id": "Request: the trace that it belongs to.",
    "span_id": "Request: the gateway's own part of the trace.",
    "model": "Request: the digest of the model that answered.",
    "logger": "Other lines: who says it.",
    "pid": "Other lines: the process.",
}
_SHOWN_MESSAGE: Final = 1000
_SHOWN_TRACEBACK: Final = 1500
_SHOWN_CAUSES: Final = 4
_SHOWN_FRAMES: Final = 8
# Loggers of the gateway and its server; of other libraries only what is at least a warning is kept.
_OWN: Final = ("cd4ml", "uvicorn.error")


class _Line(msgspec.Struct, omit_defaults=True):
    """The line of a request."""

    time: str
    level: str
    message: str
    protocol: str
    status: int
    rows: int
    cached: int
    seconds: float
    features_seconds: float | msgspec.UnsetType
    bytes: int
    request_id: str
    trace_id: str
    span_id: str
    model: str
    error: str | None = None


class RequestLog:
    """Writes a line for each request.

    A request that was answered without an error has one only if it is in the sample.
    """

    def __init__(self, lines: Lines, *, level: str, share: float, model_sha256: str) -> None:
        """Prepare.

        Args:
            share: of requests without an error, how many have a line.
        """
        self._lines, self._share, self._model = lines, share, model_sha256
        self._least = LEVELS.index(level)
        self._encode = msgspec.json.Encoder().encode
        self._clock = Clock()

    def finished(self, exchange: Exchange) -> None:
        """See Observer."""
        status = exchange.status
        if status < 400:
            if self._least > 1 or (self._share < 1 and random.random() >= self._share):  # nosec: no secret
                return
            level = "info"
        else:
            level = "info" if status < 500 else "warning" if status == 503 else "error"
            if LEVELS.index(level) < self._least:
                return
        batch = exchange.batch
        line = _Line(
            self._clock.text(exchange.time_ns),
            level,
            "request",
            exchange.protocol,
            status,
            0 if batch is None else batch.rows,
            exchange.cached,
            round(exchange.seconds, 6),
            round(exchange.fetching, 6) if exchange.fetching else msgspec.UNSET,
            exchange.bytes_in,
            exchange.request_id,
            exchange.trace_id,
            exchange.span_id,
            self._model,
            exchange.error,
        )
        encoded = self._encode(line)
        # A well-formed exchange has nothing else; what else there may be must not reach a terminal as it is.
        self._lines.put((encoded if encoded.isascii() else json.dumps(json.loads(encoded)).encode()) + b"\n")

    async def start(self) -> None:
        """See Observer."""

    async def close(self) -> None:
        """See Observer: the lines are written by whoever began them, after everything else has ended."""


class JsonHandler(logging.Handler):
    """Hands the records of Python's logging on as lines of JSON."""

    def __init__(self, lines: Lines | LinesAtOnce, *, texts: bool) -> None:
        super().__init__()
        self._lines, self._texts = lines, texts

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            self._lines.put(line_of(record, texts=self._texts))
        except (ValueError, TypeError, KeyError):  # arguments that do not fit their message
            self.handleError(record)


def line_of(record: logging.LogRecord, *, texts: bool = False) -> bytes:
    """Return a record as a line that has its end, is not too long for a pipe, and holds no control character.

    Args:
        texts: whether what an exception says is part of it.
    """
    milliseconds = int(record.msecs)
    said: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{milliseconds:03d}Z",
        "level": record.levelname.lower(),
        "message": _cut(record.getMessage(), _SHOWN_MESSAGE),
        "logger": record.name,
        "pid": record.process,
    }
    if record.exc_info and record.exc_info[1] is not None:
        said["error"] = _raised(record.exc_info[1], texts=texts)[-_SHOWN_TRACEBACK:]
    line = json.dumps(said)
    if len(line) >= LONGEST:  # texts of which much had to be escaped
        said = {name: text[:200] if isinstance(text, str) else text for name, text in said.items()}
        line = json.dumps(said)
    return line.encode("ascii") + b"\n"


def _raised(error: BaseException, *, texts: bool) -> str:
    """Return what was raised and where: what it says may hold values of a request."""
    if texts:
        return "".join(traceback.format_exception(error))
    told, current = [], error
    for _ in range(_SHOWN_CAUSES):
        frames = traceback.extract_tb(current.__traceback__)[-_SHOWN_FRAMES:]
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        told.append(f"{type(current).__name__} at {places}")
        cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if cause is None:
            break
        current = cause
    return "; after ".join(told)


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def log_to(lines: Lines | LinesAtOnce, *, level: str) -> None:
    """Send Python's logging, warnings among it, to these lines."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(JsonHandler(lines, texts=level == "debug"))
    root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    for name in _OWN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(level.upper())
    logging.captureWarnings(True)


def say_at_once(message: str) -> None:
    """Write one line of an error without any queue: nothing runs yet, or nothing runs any more."""
    record = logging.LogRecord("cd4ml.serving", logging.ERROR, "", 0, message, None, None)
    sys.stderr.write(line_of(record).decode("ascii"))
    sys.stderr.flush()
