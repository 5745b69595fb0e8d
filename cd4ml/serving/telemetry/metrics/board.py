"""Numbers that the workers of one gateway share: whichever of them is scraped answers for all.

The memory is made before the workers are forked. Each has a page of its own, which it alone writes; a number is written
in place, so that counting costs no call and no lock. A worker that takes the place of another goes on with its counts.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.serving.telemetry.metrics.families import BY_NAME, Family, Kind

# A page: its head, the names (a line each, in the order of their numbers), the numbers.
_HEAD: Final = 4 * 8
_PROCESS, _USED, _BEATS, _READY = range(4)
_NAMES: Final = 384 * 1024
_NUMBERS: Final = 16 * 1024
_PAGE: Final = _HEAD + _NAMES + _NUMBERS * 8
_SHOWN_LABEL: Final = 100

Series = tuple[Family, tuple[str, ...]]


class Board:
    """The memory of all workers.

    Attributes:
        workers: how many there are.
    """

    def __init__(self, workers: int = 1) -> None:
        self._memory = memoryview(mmap.mmap(-1, workers * _PAGE))
        self.workers = workers

    def page(self, worker: int) -> Page:
        """Return the page of a worker."""
        return Page(self._memory[worker * _PAGE : (worker + 1) * _PAGE], worker)

    def pages(self) -> Iterator[Page]:
        """Yield the pages of all workers, also of one that has ended and is about to be replaced."""
        return map(self.page, range(self.workers))

    @property
    def ready(self) -> bool:
        """Whether every worker is ready, as it said last."""
        return all(page.ready for page in self.pages())


class Page:
    """The numbers of one worker.

    Attributes:
        numbers: where they stand; a series has the place that `place` gives, and those behind it.
    """

    def __init__(self, memory: memoryview, worker: int) -> None:
        self.worker = worker
        self.numbers = memory[_HEAD + _NAMES :].cast("d")
        self._head = memory[:_HEAD].cast("Q")
        self._names = memory[_HEAD : _HEAD + _NAMES]
        self._places: dict[Series, int] = {}
        # The first numbers belong to nobody: what finds no place any more is counted there, and never shown.
        self._next = max(family.slots for family in BY_NAME.values())

    @property
    def process(self) -> int:
        """The worker's process, 0 if there is none."""
        return self._head[_PROCESS]

    @property
    def beats(self) -> int:
        """How often the worker's event loop has shown that it runs, once the model was loaded."""
        return self._head[_BEATS]

    @property
    def ready(self) -> bool:
        """Whether the worker is ready for predictions, as it said last."""
        return bool(self._head[_READY])

    def beat(self, *, ready: bool) -> None:
        """Show that the event loop runs, and whether predictions can be asked for."""
        self._head[_BEATS] += 1
        self._head[_READY] = ready

    def begin(self) -> None:
        """Take the page for this process: counts go on, gauges begin at 0."""
        self.end()
        for series, place in self.series():
            self._places[series] = place
            self._next = place + series[0].slots
        self._head[_PROCESS] = os.getpid()

    def end(self) -> None:
        """Leave the page: counts stay, gauges are 0."""
        self._head[_PROCESS] = self._head[_BEATS] = self._head[_READY] = 0
        for (family, _), place in self.series():
            if family.kind is Kind.GAUGE:
                self.numbers[place] = 0.0

    def place(self, family: Family, labels: Sequence[str] = ()) -> int:
        """Return the place of a series' first number."""
        series = family, tuple(label[:_SHOWN_LABEL] for label in labels)
        place = self._places.get(series)
        return self._new(series) if place is None else place

    def _new(self, series: Series) -> int:
        """Give a series a place; once there are too many, all others share one that is not shown."""
        family, labels = series
        name = json.dumps([family.name, *labels]).encode() + b"\n"
        used = self._head[_USED]
        if used + len(name) > _NAMES or self._next + family.slots > _NUMBERS:
            return 0
        place = self._places[series] = self._next
        self._next += family.slots
        self._names[used : used + len(name)] = name
        # Whoever reads looks at the size first.
        self._head[_USED] = used + len(name)
        return place

    def series(self) -> Iterator[tuple[Series, int]]:
        """Yield the series and their places."""
        place = max(family.slots for family in BY_NAME.values())
        for line in bytes(self._names[: self._head[_USED]]).splitlines():
            name, *labels = json.loads(line)
            family = BY_NAME[name]
            yield (family, tuple(labels)), place
            place += family.slots
