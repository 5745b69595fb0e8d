"""The one door to prediction events: files of JSON lines or Parquet, folders of them, Redis Streams, Kafka topics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.observe.events import kafka, lines, parquet, redis_stream
from cd4ml.observe.events.part import Part

# A file that the gateway has rotated ends in a number.
_LINES: Final = re.compile(r"\.(jsonl|ndjson)(\.\d+)?$")
_PARQUET: Final = re.compile(r"\.parquet$")


def parts(places: Iterable[str]) -> Iterator[Part]:
    """Yield the events of all places, each place once.

    Raises:
        OptionsError: a place is of no kind that is known.
        UnavailableError: a place is not there or cannot be read.
    """
    for place in dict.fromkeys(places):
        scheme, separator, _ = place.partition("://")
        if separator and scheme in ("redis", "rediss"):
            yield from redis_stream.parts(place)
        elif separator and scheme == "kafka":
            yield from kafka.parts(place)
        elif separator:
            raise OptionsError(f"{scheme}://… is not read: events are files, redis://…, rediss://… or kafka://…")
        else:
            for path in files(place):
                yield from parquet.parts(path) if _PARQUET.search(path.name) else lines.parts(path)


def files(place: str) -> list[Path]:
    """Return the files that a path stands for; of a folder, those that are named as files of events are.

    Raises:
        OptionsError: the folder holds none.
        UnavailableError: there is no such file.
    """
    path = Path(place)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UnavailableError(f"{place} does not exist", advice="Say where the gateway's EVENTS went.")
    found = [item for item in sorted(path.iterdir()) if _LINES.search(item.name) or _PARQUET.search(item.name)]
    if not found:
        raise OptionsError(f"{place} holds no file of events: their names end in .jsonl, .ndjson or .parquet")
    return found
