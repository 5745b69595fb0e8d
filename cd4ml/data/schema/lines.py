"""Which line of a schema's YAML sets a rule; no line where that is not certain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.data.schema.files import is_file, listed_name, read_lines
from cd4ml.yaml_text import Lined

# The key of a column that demands what is no check.
_KEYS: Final = {"dtype": "dtype", "not-nullable": "nullable", "unique": "unique", "present": "required"}
_OF_THE_TABLE: Final = ("strict", "ordered")


class Lines:
    """The lines of a schema, which is read when the first one is asked for."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._written: Lined | None = None

    def of(self, rule: str, column: str) -> int | None:
        """Return the line of a rule of a column ("" for the table); the column's where it has none of its own."""
        if not is_file(self._source):
            return None
        if self._written is None:
            self._written = read_lines(Path(self._source))
        written = self._written
        if not column:
            return written.lines.get(rule) if rule in _OF_THE_TABLE else None
        columns = written.get("columns")
        if isinstance(columns, Lined) and (name := _column(columns, column)) is not None:
            return _line(columns, name, rule)
        joint = written.get("unique")
        together = isinstance(joint, list) and rule == "unique" and column == ", ".join(map(str, joint))
        return written.lines.get("unique") if together else None


def _column(columns: Lined, column: str) -> Any:
    """Return the key of a column: its name, or the one pattern that it matches; None if it is unknown."""
    named = [name for name in columns if str(name) == column]
    patterns = [
        name
        for name, part in columns.items()
        if isinstance(part, Mapping) and part.get("regex") is True and re.match(str(name), column)
    ]
    return named[0] if named else patterns[0] if len(patterns) == 1 else None


def _line(columns: Lined, name: Any, rule: str) -> int:
    """Return the line of a column's rule."""
    part, line = columns[name], columns.lines[name]
    if not isinstance(part, Lined):
        return line
    if rule in _KEYS:
        return part.lines.get(_KEYS[rule], line)
    kind, _, number = rule.partition("#")
    checks = part.get("checks")
    if isinstance(checks, Lined) and not number:
        return checks.lines.get(kind, line)
    if isinstance(checks, list) and (not number or number.isdecimal()):
        named = [one for one in checks if isinstance(one, Lined) and one and listed_name(one) == kind]
        place = int(number) - 1 if number else 0
        return min(named[place].lines.values()) if 0 <= place < len(named) else line
    return line
