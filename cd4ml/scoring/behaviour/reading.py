"""Reading the file of behaviour tests: strictly, and all that is wrong with it at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.reading import missing_file, text_file
from cd4ml.scoring.behaviour.declared import (
    DIRECTION,
    KNOWN_ANSWERS,
    MOST_POINTS,
    SECTIONS,
    Behaviour,
    Change,
    DirectionTest,
    FlipTest,
    Key,
    Kind,
    KnownAnswersTest,
    Test,
    Trend,
)
from cd4ml.wording import nearest
from cd4ml.yaml_text import Lined
from cd4ml.yaml_text import document as yaml_document

_LARGEST: Final = 1_000_000


def read_behaviour(path: Path) -> Behaviour:
    """Read the file.

    Raises:
        UnavailableError: it is missing.
        OptionsError: all that is wrong with it, with lines.
    """
    try:
        text = text_file(path, most=_LARGEST)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    document = yaml_document(text, path, aliases=False, dates=False, lines=True)
    if not isinstance(document, Lined) or not document:
        raise OptionsError(f"{path}: expected a mapping with tests under {', '.join(SECTIONS)}")
    problems: list[str] = []
    tests = [test for name, listed in document.items() for test in _section(path, document, name, listed, problems)]
    problems += _repeated(path, tests)
    if problems:
        raise OptionsError(problems)
    return Behaviour(path=path.as_posix(), tests=tests)


def _section(path: Path, document: Lined, name: str, listed: Any, problems: list[str]) -> Iterator[Test]:
    """Yield the tests of a section, or note what is wrong with them."""
    where = f"{path}:{document.lines[name]}"
    if name not in SECTIONS:
        problems.append(f"{where}: unknown section `{name}`{nearest(str(name), SECTIONS)}")
        return
    if not isinstance(listed, list) or not listed:
        problems.append(f"{where}: `{name}` must be a list of tests (each begins with `-`)")
        return
    for position, item in enumerate(listed, 1):
        if isinstance(item, Lined) and item:
            found = _problems(path, name, item)
            problems += found
            if not found:
                yield from _tests(name, item)
        else:
            problems.append(f"{where}: test {position} of `{name}` must be a mapping, such as `columns: income`")


def _problems(path: Path, name: str, item: Lined) -> list[str]:
    """Return what is wrong with one test."""
    keys, found = SECTIONS[name], []
    for key, value in item.items():
        where = f"{path}:{item.lines[key]}"
        if key not in keys:
            found.append(f"{where}: unknown key `{key}` in `{name}`{nearest(str(key), keys)}")
        elif demand := _DEMANDS[keys[key].kind](value, keys[key]):
            found.append(f"{where}: `{key}` must be {demand}")
        elif keys[key].change not in (None, item.get("change")):
            found.append(f"{where}: `{key}` belongs to `change: {keys[key].change}`")
    missing = [key for key, declared in keys.items() if declared.required and key not in item]
    return found + [f"{path}:{_line(item)}: a test of `{name}` needs `{key}`" for key in missing]


def _line(item: Lined) -> int:
    """Return the line on which a test begins."""
    return min(item.lines.values())


def _number(value: Any) -> float:
    """Return a value as a number; not-a-number for all that is none, or that no float holds."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.nan


def _is_text(value: Any) -> bool:
    """Whether a value is a text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def _names(value: Any, _: Key) -> str:
    names = value if isinstance(value, list) else [value]
    good = bool(names) and all(map(_is_text, names)) and len(set(names)) == len(names)
    return "" if good else "the name of a column, or a list of different names"


def _most(value: Any, _: Key) -> str:
    return "" if 0 <= _number(value) < 1 else "a share from 0 to below 1 (1 would refuse nothing)"


def _least(value: Any, _: Key) -> str:
    return "" if 0 < _number(value) <= 1 else "a share above 0, at most 1 (0 would refuse nothing)"


def _positive(value: Any, _: Key) -> str:
    return "" if 0 < _number(value) < math.inf else "a finite number above 0"


def _points(value: Any, _: Key) -> str:
    good = isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= MOST_POINTS
    return "" if good else f"a whole number from 2 to {MOST_POINTS}"


def _choice(value: Any, key: Key) -> str:
    return "" if value in key.choices else f"one of {', '.join(key.choices)}{nearest(str(value), key.choices)}"


# By kind: what a value must be, empty if it is.
_DEMANDS: Final[Mapping[Kind, Callable[[Any, Key], str]]] = {
    Kind.NAMES: _names,
    Kind.TEXT: lambda value, _: "" if _is_text(value) else "a text",
    Kind.CHOICE: _choice,
    Kind.MOST: _most,
    Kind.LEAST: _least,
    Kind.POSITIVE: _positive,
    Kind.POINTS: _points,
    Kind.FLAG: lambda value, _: "" if isinstance(value, bool) else "true or false",
}


def _tests(name: str, item: Lined) -> Iterator[Test]:
    """Yield the tests of an entry that is right: one for each column."""
    values = {key: item.get(key, declared.default) for key, declared in SECTIONS[name].items()}
    shared: dict[str, Any] = {"line": _line(item), "tolerance": values["tolerance"]}
    if name == KNOWN_ANSWERS:
        limit = float(values["minimum-share"])
        yield KnownAnswersTest(**shared, table=values["table"], target=values["target"], limit=limit)
        return
    columns = values["columns"] if isinstance(values["columns"], list) else [values["columns"]]
    for column in columns:
        if name == DIRECTION:
            limit, points = float(values["maximum-violations"]), values["points"]
            yield DirectionTest(**shared, column=column, trend=Trend(values["score"]), limit=limit, points=points)
        else:
            yield FlipTest(
                **shared,
                rule=name,
                column=column,
                change=Change(values["change"]),
                limit=values["maximum-flips"],
                step=values.get("step"),
                factor=values.get("factor") or 1.0,
                may_refuse=bool(values.get("may-refuse")),
            )


def _repeated(path: Path, tests: list[Test]) -> Iterator[str]:
    """Yield a problem for each test that is declared twice."""
    first: dict[str, int] = {}
    for test in tests:
        if test.id in first:
            yield f"{path}:{test.line}: `{test.id}` is declared already in line {first[test.id]}"
        first.setdefault(test.id, test.line)
