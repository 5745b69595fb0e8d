"""YAML as a person would write it, with a comment on every value. What data and files are called stays inert in it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.wording import safe
from cd4ml.yaml_text import in_quotes

_WIDTH: Final = 110
# What YAML takes for a text wherever it stands: no mark of YAML's, and not the look of a number or a date.
_PLAIN: Final = re.compile(
    r"[A-Za-z_.](?:[A-Za-z0-9_./-]*[A-Za-z0-9_])?|models:/[A-Za-z0-9_.-]+(?:@[A-Za-z0-9_.-]+|/[0-9]+)"
)
_NUMERIC: Final = re.compile(r"[.\d_+-]*[eE]?[\d_.+-]*")
_WORDS: Final = frozenset("true false null yes no on off y n nan inf .nan .inf .".split())


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A key, its value, and why it has that."""

    key: str
    value: Any
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of cd4ml.yaml; without entries it is left out, and `remarks` say why and what to add."""

    entries: Sequence[Entry] = ()
    remarks: Sequence[str] = ()
    example: Sequence[str] = ()


def lines(name: str, section: Section) -> Iterator[str]:
    """Yield the lines of a section."""
    if not section.entries:
        yield from comment(f"{name} is left out: {' '.join(section.remarks)}")
        yield from (f"#   {line}" for line in section.example)
        return
    yield f"{name}:"
    for remark in section.remarks:
        yield from comment(remark, indent=2)
    for entry in section.entries:
        yield from comment(entry.why, indent=2) if entry.why else ()
        yield f"  {entry.key}: {value(entry.value)}"


def sentence(text: str) -> str:
    """Return a text that begins with a capital, as far as it begins with a word, and ends with a full stop."""
    first = text.split(maxsplit=1)[:1]
    capital = text[:1].upper() + text[1:] if first and first[0].isalpha() else text
    return capital if capital.endswith((".", "?")) else f"{capital}."


def comment(text: str, *, indent: int = 0) -> list[str]:
    """Return a text as comments. No text ends its comment: what could end a line is shown escaped."""
    wrapped = textwrap.wrap(safe(text), _WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return [f"{' ' * indent}# {line}" for line in wrapped]


def value(found: Any) -> str:
    """Return a value in the flow style."""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, Mapping):
        return f"{{{', '.join(f'{scalar(str(key))}: {value(item)}' for key, item in found.items())}}}"
    if isinstance(found, list | tuple):
        return f"[{', '.join(value(item) for item in found)}]"
    return scalar(found) if isinstance(found, str) else str(found)


def scalar(text: str) -> str:
    """Return a text, in quotes where it could be taken for anything else."""
    plain = _PLAIN.fullmatch(text) and not _NUMERIC.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else in_quotes(text)
