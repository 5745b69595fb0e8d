"""Events as JSON lines: in files, and in the values of streams."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.observe.events.part import READ, Part, Place, Poison, checked

_BLOCK: Final = 16 * 1024**2
# An event has at most some kilobytes.
_LONGEST: Final = 4 * 1024**2
_MOST_POISON: Final = 10_000


def parts(path: Path) -> Iterator[Part]:
    """Yield the events of a file.

    Raises:
        UnavailableError: it cannot be read.
        OptionsError: it holds no JSON lines.
    """
    number = 1
    poisoned = 0
    try:
        with path.open("rb") as file:
            for lines in _blocks(file, path.as_posix()):
                part = decoded(lines, partial(_place, path.as_posix(), number))
                number += len(lines)
                poisoned += part.poisoned
                if poisoned > _MOST_POISON:
                    raise OptionsError(
                        f"{path.as_posix()}: more than {_MOST_POISON:,} lines are not prediction events; first: "
                        f"{part.unreadable[0].place} {part.unreadable[0].reason}"
                    )
                yield part
    except OSError as error:
        raise UnavailableError(f"cannot read {path.as_posix()}: {error.strerror}") from error


def decoded(lines: Sequence[bytes], place: Place) -> Part:
    """Return the events of lines, empty ones left out; `place` says where the line of a number stands."""
    numbers = [number for number, line in enumerate(lines) if line.strip()]
    poison = Poison()
    read = list(frames(lines, numbers, place, poison, READ, "a prediction event"))
    events = pl.concat([pl.DataFrame(schema=READ), *(frame for frame, _ in read)])
    return checked(events, [number for _, found in read for number in found], place, poison)


def _place(name: str, first: int, number: int) -> str:
    """Return the place of a line of a block."""
    return f"{name}:{first + number}"


def _blocks(file: io.BufferedReader, name: str) -> Iterator[list[bytes]]:
    """Yield the lines of a file, some megabytes at a time."""
    rest = b""
    while block := file.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > _LONGEST:
            raise OptionsError(f"{name} has a line of more than {_LONGEST:,} bytes: it holds no prediction events")
        yield lines
    if rest:
        yield [rest]


def frames(
    lines: Sequence[bytes], numbers: list[int], place: Place, poison: Poison, schema: pl.Schema, noun: str
) -> Iterator[tuple[pl.DataFrame, list[int]]]:
    """Yield the rows of lines that can be read, halving what cannot until the line is found.

    Args:
        noun: what a line is.
    """
    if not numbers:
        return
    try:
        frame = pl.read_ndjson(io.BytesIO(b"\n".join([lines[number] for number in numbers])), schema=schema)
    except (PolarsError, UnicodeDecodeError):
        frame = None
    if frame is not None and len(frame) == len(numbers):
        yield frame, numbers
    elif len(numbers) == 1:
        poison.add(place(numbers[0]), f"is not a JSON object with the fields of {noun}")
    elif poison.count <= _MOST_POISON:
        half = len(numbers) // 2
        yield from frames(lines, numbers[:half], place, poison, schema, noun)
        yield from frames(lines, numbers[half:], place, poison, schema, noun)
