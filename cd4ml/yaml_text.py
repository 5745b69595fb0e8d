"""YAML that people and tools write: read by PyYAML in one pass over events, with limits that hold from the first on.

A value means what PyYAML makes of it (YAML 1.1), as for the tools that write such files. People who write `no`, `010`
or `12:30` seldom mean false, 8 and 750: such words are refused until quotes say what is meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError

MOST_NESTED: Final = 50
MOST_REPEATED: Final = 100_000  # values that aliases repeat: a few hundred bytes of nested ones expand to gigabytes
_TAG: Final = "tag:yaml.org,2002:"
_OCTAL: Final = re.compile(r"[-+]?0[0-7_]+")
_MERGE: Final = object()
_NO_KEY: Final = object()


class Lined(dict[Any, Any]):
    """A mapping that knows the lines of its keys, counted from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[Any, int] = {}


@dataclass(kw_only=True)
class _Open:
    """A collection that has begun and not ended."""

    value: Any
    line: int
    anchor: str | None
    is_set: bool = False
    key: Any = _NO_KEY
    merged: list[Any] = field(default_factory=list)
    size: int = 1


def document(text: str, path: Path, *, aliases: bool = True, dates: bool = True, lines: bool = False) -> Any:
    """Return what a text holds as plain values; None if it is empty.

    Args:
        path: what messages name.
        aliases: whether `*name` is allowed.
        dates: whether a date without quotes is one; else it is refused as a word that is read otherwise than meant.
        lines: whether mappings know the lines of their keys (`Lined`).

    Raises:
        OptionsError: it is invalid YAML, nested too deeply, repeats a key, or has words that YAML reads otherwise than
            they are meant; all of these at once.
    """
    scalars = _Scalars(path=path, dates=dates)
    found = _built(text, path, scalars.value, aliases=aliases, lines=lines)
    if scalars.problems:
        raise OptionsError(scalars.problems)
    return found


def texts(text: str, path: Path) -> Any:
    """Return what a text holds, every scalar as the text that is written there.

    Raises:
        OptionsError: see `document`.
    """
    return _built(text, path, lambda event, loader: event.value, aliases=True, lines=False)


class _Scalars:
    """The values of scalars, and the words among them that YAML reads otherwise than people mean them."""

    def __init__(self, *, path: Path, dates: bool) -> None:
        from yaml import ScalarNode

        self.problems: list[str] = []
        self._node = ScalarNode
        self._path = path
        self._dates = dates

    def value(self, event: Any, loader: Any) -> Any:
        """Return the value of a scalar."""
        tag = event.tag
        plain = tag is None or tag == "!"
        if plain:
            if not event.implicit[0]:
                return event.value
            tag = loader.resolve(self._node, event.value, event.implicit)
        kind = tag.removeprefix(_TAG)
        if kind in ("str", "value", "merge"):
            return event.value
        if kind not in ("null", "bool", "int", "float", "timestamp"):
            raise _refused(self._path, event.start_mark.line, f"the tag `{tag}` is not supported")
        found = getattr(loader, f"construct_yaml_{kind}")(self._node(tag, event.value, event.start_mark))
        if plain and self._is_trap(kind, event.value):
            self._note(event, found, kind)
        return found

    def _is_trap(self, kind: str, written: str) -> bool:
        """Whether a word without quotes is seldom meant as YAML reads it."""
        if kind == "bool":
            return written.lower() not in ("true", "false")
        if kind in ("int", "float"):
            return ":" in written or bool(_OCTAL.fullmatch(written))
        return kind == "timestamp" and not self._dates

    def _note(self, event: Any, found: Any, kind: str) -> None:
        """Note a word that is read otherwise than it is meant, and what to write instead."""
        meaning = str(found).lower() if kind == "bool" else f"the number {found}" if kind != "timestamp" else "a date"
        otherwise = "" if kind == "timestamp" else f", or write {str(found).lower()}"
        self.problems.append(
            f"{self._path}:{event.start_mark.line + 1}: YAML reads `{event.value}` as {meaning}: "
            f'quote it ("{event.value}"){otherwise}'
        )


class _Builder:
    """Values from the events of one document."""

    def __init__(self, path: Path, scalar: Callable[[Any], Any], *, aliases: bool, lines: bool) -> None:
        self.root: Any = None
        self._path = path
        self._scalar = scalar
        self._aliases = aliases
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._repeated = 0
        self._documents = 0
        self._takers = {
            "DocumentStartEvent": self._begin_document,
            "ScalarEvent": self._take_scalar,
            "AliasEvent": self._take_alias,
            "MappingStartEvent": lambda event: self._begin(event, Lined() if lines else {}),
            "SequenceStartEvent": lambda event: self._begin(event, []),
            "MappingEndEvent": self._end,
            "SequenceEndEvent": self._end,
        }

    def take(self, event: Any) -> None:
        """Take the next event; those that mean nothing for values are passed over."""
        taker = self._takers.get(type(event).__name__)
        if taker:
            taker(event)

    def _begin_document(self, event: Any) -> None:
        """Begin the one document."""
        self._documents += 1
        if self._documents > 1:
            raise _refused(self._path, event.start_mark.line, "a second document")

    def _take_scalar(self, event: Any) -> None:
        """Take a scalar; `<<` in place of a key merges what stands behind it."""
        inner = self._open[-1] if self._open else None
        is_key = inner is not None and isinstance(inner.value, dict) and inner.key is _NO_KEY
        merges = is_key and event.value == "<<" and event.implicit[0]
        self._put(_MERGE if merges else self._scalar(event), event, event.anchor)

    def _begin(self, event: Any, value: Any) -> None:
        """Begin a collection."""
        line = event.start_mark.line
        if len(self._open) == MOST_NESTED:
            raise _too_deep(self._path, line)
        kind = (event.tag or "").removeprefix(_TAG)
        if kind not in ("", "!", "map" if isinstance(value, dict) else "seq", "set"):
            raise _refused(self._path, line, f"the tag `{event.tag}` is not supported")
        self._open.append(_Open(value=value, line=line, anchor=event.anchor, is_set=kind == "set"))

    def _end(self, event: Any) -> None:
        """End the innermost collection and put it where it belongs."""
        ended = self._open.pop()
        if ended.merged:
            _merge(ended)
        self._put(set(ended.value) if ended.is_set else ended.value, event, ended.anchor, size=ended.size)

    def _take_alias(self, event: Any) -> None:
        """Take what an alias stands for."""
        line = event.start_mark.line
        if not self._aliases:
            raise OptionsError(f"{self._path}:{line + 1}: YAML aliases are not supported")
        if event.anchor not in self._anchors:
            raise _refused(self._path, line, f"there is no anchor `{event.anchor}` before this alias")
        value, size = self._anchors[event.anchor]
        self._repeated += size
        if self._repeated > MOST_REPEATED:
            raise OptionsError(f"{self._path}:{line + 1}: aliases repeat more than {MOST_REPEATED} values")
        self._put(value, event, None, size=size)

    def _put(self, value: Any, event: Any, anchor: str | None, *, size: int = 1) -> None:
        """Put a value into the collection that is open."""
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self.root = value
            return
        inner = self._open[-1]
        inner.size += size
        if isinstance(inner.value, list):
            inner.value.append(value)
        elif inner.key is _NO_KEY:
            self._set_key(inner, value, event.start_mark.line)
        else:
            self._set_value(inner, value, event.start_mark.line)

    def _set_key(self, inner: _Open, key: Any, line: int) -> None:
        """Note the key of the next value."""
        if not isinstance(key, Hashable):
            raise _refused(self._path, line, "a key that is a list or a mapping")
        if key in inner.value or (key is _MERGE and inner.merged):
            raise _refused(self._path, line, f"the key `{'<<' if key is _MERGE else key}` occurs twice in a mapping")
        inner.key, inner.line = key, line

    def _set_value(self, inner: _Open, value: Any, line: int) -> None:
        """Set the value of the key that was noted."""
        key, inner.key = inner.key, _NO_KEY
        if key is _MERGE:
            parts = value if isinstance(value, list) else [value]
            if not all(isinstance(part, dict) for part in parts):
                raise _refused(self._path, line, "`<<` merges something that is not a mapping")
            inner.merged += parts
            return
        inner.value[key] = value
        if isinstance(inner.value, Lined):
            inner.value.lines[key] = inner.line + 1


def _merge(ended: _Open) -> None:
    """Put what `<<` merges before a mapping's own entries, which count; of several the first does."""
    own = dict(ended.value)
    ended.value.clear()
    for other in reversed(ended.merged):
        ended.value.update(other)
    ended.value.update(own)
    if isinstance(ended.value, Lined):
        ended.value.lines = {key: ended.value.lines.get(key, ended.line + 1) for key in ended.value}


def _built(text: str, path: Path, scalar: Callable[[Any, Any], Any], *, aliases: bool, lines: bool) -> Any:
    """Return the values of a text's one document."""
    import yaml  # half of what the command line itself takes to start, and many runs read no YAML

    with _explained(path, text):
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        try:
            builder = _Builder(path, lambda event: scalar(event, loader), aliases=aliases, lines=lines)
            while loader.check_event():
                builder.take(loader.get_event())
            return builder.root
        finally:
            loader.dispose()


@contextmanager
def _explained(path: Path, text: str) -> Iterator[None]:
    """Say of what PyYAML raises where it is and what is wrong."""
    import yaml

    try:
        yield
    except yaml.MarkedYAMLError as error:
        told = ", ".join(part for part in (error.context, error.problem) if part)
        if "nesting depth" in told:  # libyaml looks ahead, and has a limit of its own
            raise _too_deep(path, error.problem_mark.line) from error
        if "Unicode character escape" in told:
            told = "an escape that is not a character (half of a surrogate pair); the text must be UTF-8"
        line = error.problem_mark.line if error.problem_mark else None
        if line is not None and any("\t" in one for one in text.split("\n")[line : line + 1]):
            told += ": a tab? Indent with spaces"
        raise _refused(path, line, told) from error
    except yaml.YAMLError as error:
        raise _refused(path, None, str(error)) from error
    except ValueError as error:  # a number of thousands of digits, a day that is none
        raise _refused(path, None, str(error)[:200]) from error


def _too_deep(path: Path, line: int) -> OptionsError:
    """Return the error for YAML that is nested beyond the limit."""
    return OptionsError(f"{path}:{line + 1}: nested more than {MOST_NESTED} deep")


def _refused(path: Path, line: int | None, why: str) -> OptionsError:
    """Return the error for invalid YAML."""
    place = path if line is None else f"{path}:{line + 1}"
    return OptionsError(f"{place}: invalid YAML: {' '.join(why.split())}")


def in_quotes(text: str) -> str:
    """Return a text as YAML in quotes; nothing unprintable is written as it is."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))
