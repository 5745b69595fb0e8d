"""Ids of checks: which decision it is, the same one in every run, and no other one in a report.

An id begins with the rule; what the rule is held against follows, part by part behind colons. A group or slice is a
part of the form `column=value&…`; a table stands behind an `@`. In names from data and paths the characters that
separate are written as in addresses (`:` is `%3A`), so that two names cannot make one id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

# A percent sign stays as it is unless it would be read as the beginning of such a character.
_READ_AS_ESCAPED: Final = re.compile(r"%(?=[0-9A-F]{2})")
_ESCAPED: Final = re.compile(r"%([0-9A-F]{2})")
_CONTROLS: Final = r"\x00-\x1f\x7f"
_BETWEEN_PARTS: Final = ":@"


def check_id(rule: str, *parts: str) -> str:
    """Return the id of a rule's check.

    Args:
        rule: kebab-case; that of a tool is `tool/code`. One that a user named may hold anything.
        parts: names of what it is held against.
    """
    return ":".join(_escaped(part, _BETWEEN_PARTS) for part in (rule, *parts))


def group_id(rule: str, feature: str, group: str | None = None) -> str:
    """Return the id of a rule's check on a group of a feature, or on the feature as a whole."""
    named = f"{_escaped(rule, _BETWEEN_PARTS)}:{_escaped(feature, f'{_BETWEEN_PARTS}=')}"
    return named if group is None else f"{named}={_escaped(group, _BETWEEN_PARTS)}"


def slice_id(of_all: str, values: Mapping[str, str]) -> str:
    """Return the id of a check on a slice, given that of the check on all rows."""
    pairs = (
        f"{_escaped(column, f'{_BETWEEN_PARTS}&=')}={_escaped(value, f'{_BETWEEN_PARTS}&')}"
        for column, value in values.items()
    )
    return f"{of_all}:{'&'.join(pairs)}"


def table_id(of_one: str, table: str) -> str:
    """Return the id of a check on one of several tables, given its id where there is one table."""
    return f"{of_one}@{_escaped(table, _BETWEEN_PARTS)}"


def numbered(ids: Iterable[str]) -> list[str]:
    """Return ids of findings, of which several may be equal: the second gets the part `2`, and so on."""
    seen: dict[str, int] = {}
    found = []
    for one in ids:
        seen[one] = seen.get(one, 0) + 1
        found.append(one if seen[one] == 1 else f"{one}:{seen[one]}")
    return found


def rule_of(id: str) -> str:
    """Return the rule of a check."""
    return _read(re.split("[:@]", id, maxsplit=1)[0])


def parts_of(id: str) -> list[str]:
    """Return what a rule is held against, as it is called: neither rule nor table."""
    return [_read(part) for part in id.partition("@")[0].split(":")[1:]]


def table_of(id: str) -> str | None:
    """Return the table of a check that names one."""
    _, named, table = id.partition("@")
    return _read(table) if named else None


def _escaped(text: str, separators: str) -> str:
    """Return a name without characters that separate."""
    text = _READ_AS_ESCAPED.sub("%25", text)
    return re.sub(f"[{_CONTROLS}{separators}]", lambda found: f"%{ord(found[0]):02X}", text)


def _read(part: str) -> str:
    """Return a part as its name is written."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), part)
