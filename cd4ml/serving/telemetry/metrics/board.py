"""Numbers that the workers of one gateway share: whichever of them is scraped answers for all.

The memory is made before the workers are forked. Each has a page of its own, which it alone writes; a number is written
in place, so that counting costs no call and no lock. A worker that takes the place of another goes on with its counts.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.serving.telemetry.metrics.families import BY_NAME, Family, Kind

# A page: the process, the size of the names, the names (a line each, in the order of their numbers), the numbers.
_HEAD: Final = struct.Struct("<QQ")
_NAMES: Final = 384 * 1024
_NUMBERS: Final = 16 * 1024
_PAGE: Final = _HEAD.size + _NAMES + _NUMBERS * 8
_SHOWN_LABEL: Final = 100

Series = tuple[Family, tuple[str, ...]]


class Board:
    """The memory of all workers."""

    def __init__(self, workers: int = 1) -> None:
        self._memory = memoryview(mmap.mmap(-1, workers * _PAGE))
        self._workers = workers

    def page(self, worker: int) -> Page:
        """Return the page of a worker."""
        return Page(self._memory[worker * _PAGE : (worker + 1) * _PAGE], worker)

    def alive(self) -> Iterator[Page]:
        """Yield the pages of workers that have begun."""
        for worker in range(self._workers):
            page = self.page(worker)
            if page.process:
                yield page


class Page:
    """The numbers of one worker.

    Attributes:
        numbers: where they stand; a series has the place that `place` gives, and those behind it.
    """

    def __init__(self, memory: memoryview, worker: int) -> None:
        self.worker = worker
        self.numbers = memory[_HEAD.size + _NAMES :].cast("d")
        self._memory = memory
        self._places: dict[Series, int] = {}
        # The first numbers belong to nobody: what finds no place any more is counted there, and never shown.
        self._next = max(family.slots for family in BY_NAME.values())

    @property
    def process(self) -> int:
        """The worker's process, 0 if there is none."""
        return int(_HEAD.unpack_from(self._memory)[0])

    def begin(self) -> None:
        """Take the page for this process: counts go on, gauges begin at 0."""
        for series, place in self.series():
            self._places[series] = place
            self._next = place + series[0].slots
            if series[0].kind is Kind.GAUGE:
                self.numbers[place] = 0.0
        _HEAD.pack_into(self._memory, 0, os.getpid(), _HEAD.unpack_from(self._memory)[1])

    def place(self, family: Family, labels: Sequence[str] = ()) -> int:
        """Return the place of a series' first number."""
        series = family, tuple(label[:_SHOWN_LABEL] for label in labels)
        place = self._places.get(series)
        return self._new(series) if place is None else place

    def _new(self, series: Series) -> int:
        """Give a series a place; once there are too many, all others share one that is not shown."""
        family, labels = series
        name = json.dumps([family.name, *labels]).encode() + b"\n"
        process, used = _HEAD.unpack_from(self._memory)
        if used + len(name) > _NAMES or self._next + family.slots > _NUMBERS:
            return 0
        place = self._places[series] = self._next
        self._next += family.slots
        self._memory[_HEAD.size + used : _HEAD.size + used + len(name)] = name
        # Whoever reads looks at the size first.
        _HEAD.pack_into(self._memory, 0, process, used + len(name))
        return place

    def series(self) -> Iterator[tuple[Series, int]]:
        """Yield the series and their places."""
        used = _HEAD.unpack_from(self._memory)[1]
        place = max(family.slots for family in BY_NAME.values())
        for line in bytes(self._memory[_HEAD.size : _HEAD.size + used]).splitlines():
            name, *labels = json.loads(line)
            family = BY_NAME[name]
            yield (family, tuple(labels)), place
            place += family.slots
