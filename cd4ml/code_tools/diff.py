"""Unified diffs: which lines of which file they change."""

from __future__ import annotations

import re
from typing import Final, Literal

_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def changed_lines(text: str, side: Literal["old", "new"]) -> dict[str, list[int]]:
    """Return the lines that a diff changes, by file, counted from 1 on one side of it.

    Where lines are only added (on the old side) or only removed (on the new one), it is the line before them.
    """
    own_mark, other_mark = ("-", "+") if side == "old" else ("+", "-")
    own, other = (1, 3) if side == "old" else (3, 1)  # groups of a hunk's head
    found: dict[str, set[int]] = {}
    path = ""
    at = own_left = other_left = 0
    marks: set[str] = set()  # of the group of changed lines that is being read
    # Only a line feed ends a line of a diff: form feeds and Unicode's separators are characters of the code.
    for line in text.split("\n"):
        if own_left > 0 or other_left > 0:
            mark = line[:1] or " "
            own_left, other_left = own_left - (mark != other_mark), other_left - (mark != own_mark)
            if mark == own_mark:
                found[path].add(at)
            marks |= {mark}
            at += mark != other_mark
            last = own_left <= 0 and other_left <= 0
            if mark == " " or last:
                if other_mark in marks and own_mark not in marks:
                    found[path].add(max(1, at - 1 - (mark == " ")))
                marks = set()
        elif line.startswith("--- " if side == "old" else "+++ "):
            path = line[4:].partition("\t")[0]
        elif head := _HUNK.match(line):
            own_left, other_left = int(head[own + 1] or 1), int(head[other + 1] or 1)
            at = int(head[own]) + (own_left == 0)  # a hunk without lines on this side names the line before it
            marks = set()
            found.setdefault(path, set())
    return {name: sorted(lines) for name, lines in found.items()}
