"""The gateway's metrics in Prometheus, by version, as rows by minute and cell: like those that events are counted in.

Counters are read as they stand at every minute, pod by pod, and their increase is whole requests: Prometheus' own
`increase` estimates between scrapes. A counter that falls has begun again; one that begins within the window began
at 0.
"""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException, HTTPResponse
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.wording import redacted

Cells = dict[int, dict[str, float]]
_SECONDS: Final = 30.0
_MOST: Final = 256 * 1024**2
# Prometheus answers with at most so many points for each series.
_POINTS: Final = 11_000
_STEP: Final = 60


@dataclass(frozen=True, kw_only=True)
class Window:
    """What is asked for: which pods, and when.

    Attributes:
        selector: of the version's series, such as `track="canary"`.
    """

    selector: str
    since: datetime
    until: datetime


class Prometheus:
    """A server.

    Attributes:
        name: its address, without secrets.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        """Prepare.

        Args:
            token: for a server that asks for a bearer token; sent over https alone.

        Raises:
            OptionsError: the address is not one.
        """
        try:
            parts = urllib.parse.urlsplit(address)
        except ValueError:  # a bracket without an end
            parts = urllib.parse.urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionsError("prometheus must be the server's address, such as http://prometheus:9090")
        if token and parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise OptionsError("prometheus: the token is sent over https alone")
        self.name, self._address, self._token = redacted(address), address.rstrip("/"), token

    def requests(self, window: Window) -> Cells:
        """Return requests by minute and HTTP status."""
        return self.counted("cd4ml_requests_total", "status", window)

    def classes(self, window: Window) -> Cells:
        """Return predictions by minute and class."""
        return self.counted("cd4ml_predictions_total", "class", window)

    def counted(self, metric: str, label: str, window: Window) -> Cells:
        """Return the increase of a counter by minute and value of a label."""
        return self._increases(metric, window, lambda labels: labels.get(label, ""))

    def latest(self, metric: str, window: Window) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels of each series of a gauge, and its last value."""
        return [(labels, points[-1][1]) for labels, points in self._series(metric, window)]

    def buckets(self, name: str, window: Window) -> tuple[tuple[float, ...], Cells]:
        """Return the upper borders of a histogram's buckets, ascending, and rows by minute and border (as text)."""
        below = self._increases(f"{name}_bucket", window, lambda labels: labels.get("le", ""))
        try:
            borders = sorted({float(le) for cells in below.values() for le in cells if le})
        except ValueError as error:
            raise UnavailableError(f"{self.name}: {name} has a bucket whose border is no number") from error
        found: Cells = {}
        for minute, cells in below.items():
            sums = {float(le): rows for le, rows in cells.items() if le}
            before, inside = 0.0, {}
            for border in borders:
                inside[f"{border!r}"] = max(0.0, sums.get(border, before) - before)
                before = max(before, sums.get(border, before))
            found[minute] = inside
        return tuple(borders), found

    def models(self, window: Window) -> Counter[str]:
        """Return the digests of the models that are served, each with the number of its series' points."""
        found: Counter[str] = Counter()
        for labels, points in self._series("cd4ml_model_info", window):
            found[labels.get("sha256", "unknown")] += len(points)
        return found

    def _increases(self, metric: str, window: Window, cell: Callable[[Mapping[str, str]], str]) -> Cells:
        """Return the increase of a counter by minute and cell, summed over pods."""
        first = math.ceil(window.since.timestamp())
        found: Cells = defaultdict(lambda: defaultdict(float))
        for labels, points in self._series(metric, window):
            before = 0.0 if points and points[0][0] > first + 1 else None
            for at, value in points:
                if before is not None and value != before:
                    found[int(at - 1) // 60][cell(labels)] += value - before if value >= before else value
                before = value
        return {minute: dict(cells) for minute, cells in found.items()}

    def _series(self, metric: str, window: Window) -> Iterator[tuple[Mapping[str, str], list[tuple[float, float]]]]:
        """Yield the labels and points of each series; a point that is no number is refused."""
        start, end = math.ceil(window.since.timestamp()), window.until.timestamp()
        step = max(_STEP, math.ceil((end - start) / _POINTS))
        query = {"query": f"{metric}{{{window.selector}}}", "start": f"{start}", "end": f"{end:.3f}", "step": f"{step}"}
        # The window need not end at a whole step: its last moment is asked for as well.
        every = self._points(metric, self._ask("query_range", query))
        newest = self._points(metric, self._ask("query", {"query": query["query"], "time": query["end"]}))
        for name, points in every.items():
            if name in newest and newest[name][0][0] > points[-1][0] + 0.5:
                points += newest[name]
        for name, points in (newest | every).items():
            yield dict(json.loads(name)), points

    def _points(self, metric: str, series: list[Any]) -> dict[str, list[tuple[float, float]]]:
        """Return the points of each series, by its labels.

        Raises:
            UnavailableError: a series has no points, or one that is no count.
        """
        try:
            found = {
                _named(one): [(float(at), float(value)) for at, value in one.get("values") or [one["value"]]]
                for one in series
            }
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UnavailableError(f"{self.name}: {metric} has a series without values that can be read") from error
        if not all(math.isfinite(value) and value >= 0 for points in found.values() for _, value in points):
            raise UnavailableError(f"{self.name}: {metric} has a value that is no count")
        return found

    def _ask(self, path: str, query: Mapping[str, str]) -> list[Any]:
        """Return the series of an answer.

        Raises:
            UnavailableError: the server is out of reach, or what it says is no answer.
            OptionsError: it refuses the query, which the selector is part of.
        """
        data = urllib.parse.urlencode(query).encode()
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        request = urllib.request.Request(f"{self._address}/api/v1/{path}", data=data, headers=headers)
        try:
            with _OPENER.open(request, timeout=_SECONDS) as answer:
                found = json.loads(_body(answer))
            result = found["data"]["result"]
            if found["status"] != "success" or not isinstance(result, list) or found.get("warnings"):
                raise UnavailableError(f"{self.name} answers only in part: {found.get('warnings') or found['status']}")
        except urllib.error.HTTPError as error:
            if error.code in (400, 422):
                raise OptionsError(f"{self.name} refuses the query {query['query']}: is the selector right?") from error
            moved = ", a redirect: set `prometheus` to where it leads" if 300 <= error.code < 400 else ""
            raise UnavailableError(f"{self.name} answers with {error.code}{moved}") from error
        except (OSError, ValueError, LookupError, TypeError, HTTPException, RecursionError) as error:
            raise UnavailableError(f"no answer from {self.name}: {type(error).__name__}") from error
        return result


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would carry the token to wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


_OPENER: Final = urllib.request.build_opener(_NoRedirects)


def _body(answer: HTTPResponse) -> bytes:
    """Return what an answer says, which has one deadline however slowly it comes.

    Raises:
        OSError: it takes too long, or is too large.
    """
    end, found = time.monotonic() + _SECONDS, bytearray()
    while piece := answer.read1(1024**2):
        found += piece
        if len(found) > _MOST or time.monotonic() > end:
            raise OSError("too large or too slow")
    return bytes(found)


def _named(series: Mapping[str, Any]) -> str:
    """Return a series' labels as one text."""
    return json.dumps(sorted(series["metric"].items()))
