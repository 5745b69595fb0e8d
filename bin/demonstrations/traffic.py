"""Requests of users, at a steady pace, until they are told to end."""

from __future__ import annotations

import http.client
import json
import math
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

_SENDERS: Final = 4
_USERS: Final = 5_000
_PATIENCE: Final = 20.0


class Traffic:
    """Sends rows to a router, each row as often as the others, and remembers which label will come for which trace.

    Attributes:
        rows: what is sent: the features, and the label that comes later. They are shuffled, and sent again from the
            first once all were.
        port: of the router.
        rate: requests a second.
        answered: how many requests had which status; 0 where no answer came.
        labels: by trace.
    """

    def __init__(self, port: int, rows: Sequence[tuple[Mapping[str, Any], int]], rate: float) -> None:
        """Prepare."""
        self.port, self.rate = port, rate
        self.rows = rows
        self.answered: Counter[int] = Counter()
        self.labels: dict[str, int] = {}
        self._waiting: list[tuple[Mapping[str, Any], int]] = []
        self._of: Sequence[object] = ()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._next = 0.0
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(_SENDERS)]

    def __enter__(self) -> Traffic:
        """Begin to send."""
        self._next = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send nothing more."""
        self._ended.set()
        for thread in self._threads:
            thread.join(2 * _PATIENCE)

    def known_labels(self) -> tuple[list[str], list[int]]:
        """Return the traces and their labels, as far as they were sent."""
        with self._lock:
            return list(self.labels), list(self.labels.values())

    def _turn(self) -> tuple[float, Mapping[str, Any], str]:
        """Return when the next request is due, and what it is."""
        with self._lock:
            now = time.monotonic()
            # What could not be sent in time is not made up for in a burst.
            self._next = max(self._next + 1 / self.rate, now - 0.2)
            if self._of is not self.rows or not self._waiting:
                self._of, self._waiting = self.rows, random.sample(list(self.rows), len(self.rows))
            row, label = self._waiting.pop()
            trace = secrets.token_hex(16)
            self.labels[trace] = label
            return self._next, row, trace

    def _send(self) -> None:
        """Send requests, one after the other, over one connection."""
        connection: http.client.HTTPConnection | None = None
        while not self._ended.is_set():
            due, row, trace = self._turn()
            if self._ended.wait(max(0.0, due - time.monotonic())):
                break
            if connection is not None and connection.port != self.port:
                connection.close()
                connection = None
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
            try:
                status = _asked(connection, row, trace)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection, status = None, 0
            with self._lock:
                self.answered[status] += 1
        if connection is not None:
            connection.close()


def _asked(connection: http.client.HTTPConnection, row: Mapping[str, Any], trace: str) -> int:
    """Send a row in MLflow's protocol, in which a model takes the columns that it knows; return the answer's status."""
    body = json.dumps({"dataframe_records": [row]}, allow_nan=False)
    user = f"user-{random.randrange(_USERS)}"
    headers = {"Content-Type": "application/json", "X-User-Id": user, "Traceparent": f"00-{trace}-{trace[:16]}-01"}
    connection.request("POST", "/invocations", body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON can hold it: a number that is none is missing."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
