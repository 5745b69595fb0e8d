"""Reading an ONNX file without loading it: whose operators it needs, and where its weights lie.

An ONNX graph is data for the operators of the runtime. Two things lead out of it: a tensor may lie in another file, and
an operator may come from another library or hold a program of its own. Only the few fields of the format that say so
are read here (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

# Operators that every build of ONNX Runtime has.
_DOMAINS: Final = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft"}
)
# They hold or name what a library beside the runtime executes.
_OPAQUE: Final = frozenset({"EPContext", "PyOp"})
_MOST_FINDINGS: Final = 20
_DEEPEST: Final = 64

# Message -> field -> what it is: another message, or what is looked at.
_FIELDS: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute", 10: ":domain"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute", 7: ":domain", 4: ":operator"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "place"},
    "place": {1: ":key", 2: ":value"},
    "opset": {1: ":domain"},
}


def findings(path: Path) -> list[str]:
    """Return what an ONNX file needs beyond the runtime's own operators and the files of its folder."""
    found: dict[str, None] = {}
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for problem in _problems(content, "model", 0, len(content), 0, path.parent, set()):
                if len(found) >= _MOST_FINDINGS:
                    break
                found[problem] = None
    except (ValueError, OSError) as error:
        found[f"cannot be read as an ONNX file: {str(error)[:200]}"] = None
    return list(found)


def _problems(
    content: mmap.mmap, kind: str, start: int, end: int, depth: int, folder: Path, own: set[str]
) -> Iterator[str]:
    """Return the problems of a message and of those within.

    Args:
        own: domains of the model's own functions, whose operators are made of others.
    """
    if depth > _DEEPEST:
        raise ValueError("it is nested too deep")
    place: dict[str, str] = {}
    fields = list(_fields(content, start, end))
    if kind == "model":
        own.update(_domain(content, *span) for number, span in fields if number == 25)
    for number, (first, last) in fields:
        meaning = _FIELDS[kind].get(number)
        if meaning is None:
            continue
        if not meaning.startswith(":"):
            yield from _problems(content, meaning, first, last, depth + 1, folder, own)
            continue
        text = content[first:last].decode("utf-8")
        place[meaning] = text
        if meaning == ":domain" and text not in _DOMAINS and text not in own:
            yield f"needs operators of {ascii(text)[:200]}, which come from a library outside the file"
        if meaning == ":operator" and text in _OPAQUE:
            yield f"holds an operator {text}, which runs what it is given"
    if kind == "place" and place.get(":key") == "location" and not within(folder, place.get(":value", "")):
        yield f"keeps weights outside its folder, in {ascii(place.get(':value', ''))[:200]}"


def _domain(content: mmap.mmap, start: int, end: int) -> str:
    """Return the domain of a function."""
    spans = [span for number, span in _fields(content, start, end) if number == 10]
    return content[spans[-1][0] : spans[-1][1]].decode("utf-8") if spans else ""


def _fields(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Return the numbers of a message's fields of bytes, and where each lies."""
    position = start
    while position < end:
        tag, position = _varint(content, position, end)
        number, wire = tag >> 3, tag & 7
        if wire == 2:
            length, position = _varint(content, position, end)
            if position + length > end:
                raise ValueError("a field is longer than what holds it")
            yield number, (position, position + length)
            position += length
        elif wire == 0:
            _, position = _varint(content, position, end)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise ValueError(f"it has a field of the wire type {wire}")
    if position != end or start == end == 0:
        raise ValueError("it ends within a field")


def _varint(content: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    """Return a number of variable length, and what comes after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("it ends within a number")


def within(folder: Path, name: str) -> bool:
    """Whether a relative path stays in a folder, whichever system reads it and whatever links lie there."""
    path, foreign = PurePosixPath(name), PureWindowsPath(name)
    if not name or "\0" in name or path.is_absolute() or foreign.drive or foreign.root:
        return False
    if ".." in path.parts or ".." in foreign.parts:
        return False
    return (folder / name).resolve().is_relative_to(folder.resolve())
