"""The way back: a published report, read strictly into the values that it was made from.

Whoever reads a report relies on it, so nothing is guessed: a document that says something twice, says more than
version 1 knows, lacks what its verdict consists of, or whose status is not that of its checks is refused as a whole.

What comes back equals what was published (`read(document(published)) == published`), with these exceptions, which are
those of the document:

- A value, limit or baseline that is not a finite number is not published, and comes back as None.
- An interval's bound that is not a finite number comes back as infinite: nothing is known on that side.
- In metrics, details, options, measured and run, numbers that are not finite come back as None, sequences as lists,
  keys as texts, and enums, dataclasses and NumPy's numbers as what JSON has for them.
- Of the modified files, the first 20 come back.
- Sequences of the report itself (checks, inputs, plan) come back as tuples.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, NoReturn, get_args, get_origin, get_type_hints

from cd4ml.digests import bytes_sha256
from cd4ml.errors import OptionsError
from cd4ml.reading import text_file
from cd4ml.report.model import Check, Interval, ModelIdentity, Published, Report, Source, Status
from cd4ml.report.v1 import MEASURED, SCHEMA_VERSION, TOOL

LARGEST: Final = 64_000_000  # bytes
MOST_NESTED: Final = 100
# Fields of Report that stand elsewhere in the document, or follow from the rest of it.
_ELSEWHERE: Final = frozenset({"measured", "stated"})
_OF_REPORT: Final = tuple(field.name for field in fields(Report) if field.name not in _ELSEWHERE)
_KEYS: Final = frozenset({"schema_version", "tool", "status", "source", "options", "run", *_OF_REPORT})
# What a verdict consists of; of every other part that a document leaves out nothing is known.
_VERDICT: Final = frozenset({"stage", "status"})
_NEEDED: Final = _VERDICT | {"schema_version", "checks"}
_UNKNOWN: Final[Mapping[type, Mapping[str, Any]]] = {
    Check: {"message": ""},
    ModelIdentity: {"uri": ""},
    Source: {"git_sha": None},
}
_TOOL_KEYS: Final = frozenset({"name", "version"})
_NAMES: Final = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    dict: "an object",
    list: "a list",
}
_SCALARS: Final = (str, int, float, bool, NoneType)
_SHOWN: Final = 80


class ReportError(OptionsError):
    """A document is not a report of version 1. The message says what is wrong with it, and not where it came from."""


def read_file(path: Path, stage: str, *, whole: bool = True) -> Published:
    """Read a stage's report from a file.

    Args:
        whole: see `read`.

    Raises:
        FileNotFoundError: there is none.
        OptionsError: it is not a report of the stage; the message names the file.
        UnavailableError: it cannot be read.
    """
    return read_with_digest(path, stage, whole=whole)[0]


def read_with_digest(path: Path, stage: str, *, whole: bool = True) -> tuple[Published, str]:
    """Read a stage's report as `read_file` does, and return also the SHA-256 of what was read."""
    text = text_file(path, most=LARGEST)
    try:
        return parse(text, stage, whole=whole), bytes_sha256(text.encode())
    except ReportError as error:
        raise ReportError(f"{path} is not a report of {stage}: {error.message}") from error


def parse(content: str | bytes, stage: str, *, whole: bool = True) -> Published:
    """Read a stage's report from its JSON.

    Args:
        whole: see `read`.

    Raises:
        ReportError: it is not a report of the stage.
    """
    if len(content) > LARGEST:
        raise ReportError(f"larger than {LARGEST} bytes")
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError as error:
        raise ReportError(f"nested more than {MOST_NESTED} deep") from error
    except UnicodeDecodeError as error:
        raise ReportError(f"not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        raise ReportError(f"invalid JSON: {error}") from error
    published = read(document, whole=whole)
    if published.report.stage != stage:
        raise ReportError(f"its stage is {_shown(published.report.stage)}")
    return published


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which no report holds."""
    raise ReportError(f"{name} is not a number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that gives a key twice: readers would disagree on what it says."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ReportError(f"the key {_shown(name)} is given twice")
        found[name] = value
    return found


def read(document: object, *, whole: bool = True) -> Published:
    """Read a report from the document that `v1.document` returns.

    A part that is left out says nothing, so that nothing can rest on it.

    Args:
        whole: whether version and checks must be there. Without them the verdict is taken as it is stated, which is
            enough for a decision that a later run can make again, and never for evidence.

    Raises:
        ReportError: it is not such a document.
    """
    _check_values(document)
    if not isinstance(document, dict):
        _refuse("an object", document, "the report")
    version = document.get("schema_version", None if whole else SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        _refuse(_shown(SCHEMA_VERSION), version, "schema_version")
    _check_keys(document, _KEYS, _NEEDED if whole else _VERDICT, "the report")
    tool = _mapping(document.get("tool", {"name": TOOL, "version": ""}), "tool")
    _check_keys(tool, _TOOL_KEYS, _TOOL_KEYS, "tool")
    if tool["name"] != TOOL:
        _refuse(_shown(TOOL), tool["name"], "tool.name")
    run = _mapping(document.get("run", {}), "run")
    return Published(
        report=_report(document, _mapping(run.get(MEASURED, {}), f"run.{MEASURED}")),
        source=_built(Source, document.get("source", {}), "source"),
        options=_mapping(document.get("options", {}), "options"),
        run={name: item for name, item in run.items() if name != MEASURED},
        version=_built(str, tool["version"], "tool.version"),
    )


def _report(document: Mapping[str, Any], measured: Mapping[str, Any]) -> Report:
    """Return the report in a document; its status must be the one that follows from its checks."""
    types = _shape(Report).types
    values = {name: _built(types[name], document[name], name) for name in _OF_REPORT if name in document}
    said = _built(Status, document["status"], "status")
    alone = "checks" not in values or (said is Status.SKIPPED and not values["checks"])
    report = Report(**{"checks": (), **values}, measured=measured, stated=said if alone else None)
    if said is not report.status:
        found = f"the worst of its checks is {str(report.status)!r}" if report.checks else "it ran no check"
        raise ReportError(f"its status is {str(said)!r}, but {found}")
    return report


def _check_values(document: object) -> None:
    """Refuse what JSON does not hold, a number that is not finite, and nesting that would exhaust a reader's stack."""
    level: list[Any] = [document]
    depth = 0
    while level:
        depth += 1
        inner: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is float and not math.isfinite(value):  # also 1e999
                raise ReportError(f"{value} is not a finite number")
            if isinstance(value, dict) and all(type(name) is str for name in value):
                inner += value.values()
            elif kind is list:
                inner += value
            elif kind not in _SCALARS:
                raise ReportError(f"{_shown(value)} is not a value of JSON")
        if depth > MOST_NESTED and any(isinstance(value, dict | list) for value in level):
            raise ReportError(f"nested more than {MOST_NESTED} deep")
        level = inner


def _built(kind: Any, found: Any, where: str) -> Any:
    """Return what a document holds as a value of a type.

    Args:
        kind: type of a field of a report.
        where: what messages name.
    """
    if kind is Any:
        return found
    if isinstance(kind, type) and is_dataclass(kind):
        return _object(kind, found, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_one_of([member.value for member in kind], found, where))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _one_of(arguments, found, where)
    if origin is UnionType:
        return _optional(arguments, found, where)
    if origin is not None and issubclass(origin, Mapping):
        return {name: _built(arguments[1], item, f"{where}.{name}") for name, item in _mapping(found, where).items()}
    if origin is not None and issubclass(origin, Sequence):
        if not isinstance(found, list):
            _refuse("a list", found, where)
        return tuple(_built(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(found))
    if kind is float and type(found) is int:
        return _number(found, where)
    return found if type(found) is kind else _refuse(_NAMES[kind], found, where)


def _optional(kinds: Sequence[Any], found: Any, where: str) -> Any:
    """Return a value of one of several types: one that may be null, or one of several scalars."""
    others = [kind for kind in kinds if kind is not NoneType]
    if found is None and len(others) < len(kinds):
        return None
    if len(others) == 1:
        return _built(others[0], found, where)
    return found if type(found) in others else _refuse(" or ".join(_NAMES[kind] for kind in others), found, where)


def _object(kind: type, found: Any, where: str) -> Any:
    """Return a dataclass: fields with a default may be missing."""
    given, shape = {**_UNKNOWN.get(kind, {}), **_mapping(found, where)}, _shape(kind)
    _check_keys(given, frozenset(shape.types), shape.needed, where)
    if kind is Check:
        absent = next((name for name, item in given.items() if item is None), None)
        if absent:
            raise ReportError(f"{where}.{absent} is null: leave out what does not apply to a check")
    if kind is Interval:
        unbounded = {"lower": -math.inf, "upper": math.inf}
        given |= {name: bound for name, bound in unbounded.items() if name in given and given[name] is None}
    values = {
        name: item if type(item) in shape.scalars[name] else _built(shape.types[name], item, f"{where}.{name}")
        for name, item in given.items()
    }
    return kind(**values)


class _Shape(NamedTuple):
    """The fields of a dataclass: their types, which must be there, and which types of JSON are taken as they are."""

    types: Mapping[str, Any]
    needed: frozenset[str]
    scalars: Mapping[str, frozenset[type]]


@cache
def _shape(kind: type) -> _Shape:
    """Return the fields of a dataclass; checks are many."""
    types = get_type_hints(kind)
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    taken = {name: get_args(of) if get_origin(of) is UnionType else (of,) for name, of in types.items()}
    scalars = {name: frozenset(one for one in of if one in _SCALARS) for name, of in taken.items()}
    return _Shape(types=types, needed=frozenset(needed), scalars=scalars)


def _check_keys(given: Mapping[str, Any], known: frozenset[str], needed: frozenset[str], where: str) -> None:
    """Refuse keys that are missing or unknown."""
    missing, unknown = needed - given.keys(), given.keys() - known
    if missing:
        raise ReportError(f"{where} lacks the key {_shown(min(missing))}")
    if unknown:
        raise ReportError(f"{where} has an unknown key {_shown(min(unknown))}")


def _mapping(found: Any, where: str) -> Mapping[str, Any]:
    """Return an object."""
    return found if isinstance(found, dict) else _refuse("an object", found, where)


def _one_of(known: Sequence[Any], found: Any, where: str) -> Any:
    """Return a value that is among the known ones."""
    return found if found in known else _refuse(f"one of {', '.join(map(str, known))}", found, where)


def _number(found: int, where: str) -> float:
    """Return a whole number as a number of a report."""
    try:
        return float(found)
    except OverflowError:
        _refuse("a number", found, where)


def _refuse(expected: str, found: Any, where: str) -> NoReturn:
    """Say what was expected, and what was found instead."""
    shown = _kind(found) if isinstance(found, dict | list) else _shown(found)
    raise ReportError(f"{where}: expected {expected}, got {shown}")


def _kind(value: object) -> str:
    """Return what kind of value of JSON this is."""
    return _NAMES.get(type(value), type(value).__name__)


def _shown(value: object) -> str:
    """Return the beginning of a value as JSON writes it, with control characters escaped."""
    shown = json.dumps(value) if type(value) in _SCALARS else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
