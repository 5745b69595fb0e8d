"""The metrics of one worker: what observes its requests, and what is looked at now and then."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Final

from cd4ml.serving.exchange import Exchange
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.telemetry.metrics.exposition import text
from cd4ml.serving.telemetry.metrics.families import RESTARTS, Family, Kind
from cd4ml.serving.telemetry.metrics.quality import Quality
from cd4ml.serving.telemetry.metrics.ranges import Range, check
from cd4ml.serving.telemetry.metrics.traffic import Traffic

# What another worker shows of counts that are looked at is at most so old; whether it is ready is known sooner.
_SECONDS: Final = 1.0
_SOON: Final = 0.1
_MOST_OUTCOMES: Final = 50

Counts = Callable[[], Mapping[str, float]]


class Metrics:
    """Counts requests, and looks at counts that others keep.

    Attributes:
        ready: says whether this worker is ready for predictions.
    """

    def __init__(
        self,
        board: Board,
        worker: int,
        *,
        model: Mapping[str, str | None],
        runtime: Callable[[], Runtime | None],
        ranges: Mapping[str, Range],
    ) -> None:
        """Take a worker's page.

        Args:
            model: name, version and sha256.
            runtime: the model, once it is loaded.
            ranges: what values of each feature are usual.
        """
        self.page = board.page(worker)
        self.page.begin()
        self._board, self._model = board, dict(model)
        self._runtime, self._ranges = runtime, ranges
        self._traffic = Traffic(self.page)
        self._quality: Quality | None = None
        self.ready: Callable[[], bool] = lambda: False
        self._gauges: list[tuple[int, Callable[[], float]]] = []
        self._outcomes: list[tuple[Family, Counts, dict[str, tuple[int, float]]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def know(self, runtime: Runtime) -> None:
        """Refuse ranges that the model's columns cannot have, before the first request.

        Raises:
            SettingsError: a feature is unknown, or its values are not compared with a minimum and a maximum.
        """
        check(self._ranges, runtime.columns)

    def replaces(self, reason: str) -> None:
        """Count that this worker replaces another.

        Args:
            reason: what ended that one.
        """
        self.page.numbers[self.page.place(RESTARTS, (reason,))] += 1.0

    def gauge(self, family: Family, value: Callable[[], float]) -> None:
        """Look at a value now and then."""
        assert family.kind is Kind.GAUGE
        self._gauges.append((self.page.place(family), value))

    def histogram(self, family: Family) -> Callable[[float], None]:
        """Return what counts a value."""
        assert family.kind is Kind.HISTOGRAM and not family.labels
        numbers, place, total = self.page.numbers, self.page.place(family), len(family.buckets) + 1

        def observe(value: float) -> None:
            """Count a value."""
            numbers[place + bisect_left(family.buckets, value)] += 1.0
            numbers[place + total] += value

        return observe

    def outcomes(self, family: Family, counts: Counts) -> None:
        """Look at counts by outcome now and then; they only grow, and begin at 0 with this process."""
        assert family.kind is Kind.COUNTER and family.labels == ("outcome",)
        self._outcomes.append((family, counts, {}))

    def finished(self, exchange: Exchange) -> None:
        """See Observer."""
        self._traffic.finished(exchange)
        quality = self._quality or self._loaded()
        if quality is not None:
            quality.finished(exchange)

    def text(self) -> bytes:
        """Return the metrics of all workers."""
        self._look()
        return text(self._board, model=self._model)

    def _loaded(self) -> Quality | None:
        """Return what counts the model's predictions, once it is loaded."""
        runtime = self._runtime()
        if runtime is not None:
            self._quality = Quality(self.page, columns=runtime.columns, classes=runtime.classes, ranges=self._ranges)
            self._model["runtime"] = runtime.name
        return self._quality

    async def start(self) -> None:
        """See Observer."""
        self._tick()

    async def close(self) -> None:
        """See Observer."""
        if self._timer is not None:
            self._timer.cancel()
        self._look()

    def _tick(self) -> None:
        """Look, and again in a while."""
        self._look()
        pause = _SECONDS if self.page.ready else _SOON
        self._timer = asyncio.get_running_loop().call_later(pause, self._tick)

    def _look(self) -> None:
        """Take over what others count."""
        numbers = self.page.numbers
        if self._quality or self._loaded():
            self.page.beat(ready=self.ready())
        for place, value in self._gauges:
            numbers[place] = value()
        for family, counts, places in self._outcomes:
            for outcome, count in counts().items():
                known = places.get(outcome)
                if known is None:
                    if len(places) >= _MOST_OUTCOMES:
                        continue
                    place = self.page.place(family, (outcome,))
                    # Whoever had the page before has counted, too.
                    known = places[outcome] = place, numbers[place]
                numbers[known[0]] = known[1] + count
