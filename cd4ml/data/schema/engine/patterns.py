"""Regular expressions that mean the same to pandas and to every engine, and those that may not."""

from __future__ import annotations

import functools
import re
import sys
import warnings
from typing import Final

# What a pattern may consist of: it means the same everywhere once classes of characters are spelt out.
_ATOM: Final = re.compile(
    r"(?P<cls>\\[dws])|(?P<escaped>\\[][.^$*+?(){}|/\\-])|(?P<set>\[\^?(?:\\[dws\]\[\\.^$*+?(){}|/-]|[^][\\&~])+\])"
    r"|(?P<plain>[^][\\(){}*+?|^$])|(?P<group>\((?:\?:)?|\)|\|)|(?P<times>(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??)"
    r"|(?P<anchor>\^|\$)"
)


@functools.cache
def translated(pattern: str, *, java: bool = False) -> str | None:
    """Return a pattern that engines read as Python, and pandas, read the given one; None if there may be a difference.

    Args:
        java: whether it is for Java, and so for Spark; else it is for Rust (Polars) and RE2 (DuckDB).
    """
    result, position, before = [], 0, ""
    while position < len(pattern):
        atom = _ATOM.match(pattern, position)
        if not atom or not _usual(atom, before, last=atom.end() == len(pattern)):
            return None
        text = atom[0]
        if atom.lastgroup == "cls":
            text = f"[{_characters(text, java)}]"
        elif text == "$":
            text = r"\n?\z"  # to Python, the end of a text is also before a last line feed
        elif text == ".":
            text = r"[^\n]"
        elif atom.lastgroup == "set":
            text = re.sub(r"\\.", lambda escape: _characters(escape[0], java), text)
        result.append(text)
        before, position = str(atom.lastgroup) if atom[0] not in ("(", "(?:", "|") else "open", atom.end()
    whole = "".join(result)
    return whole if _compiles(pattern, whole) else None


@functools.cache
def _characters(escape: str, java: bool) -> str:
    r"""Return what \d, \w or \s stand for, as ranges of characters; of other escapes, themselves.

    They are what Python takes them for: every engine has a Unicode of another year, or of ASCII alone.
    """
    if escape not in (r"\d", r"\w", r"\s"):
        return escape
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    runs = [(run.start(), run.end() - 1) for run in re.finditer(f"{escape}+", every)]
    ranges = [rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in runs]
    if not java:
        return "".join(ranges)
    # Java tries one range after another: ASCII comes first, and the others in groups, for other characters only.
    plain = "".join(text for text, (_, last) in zip(ranges, runs, strict=True) if last < 128)
    others = [text for text, (_, last) in zip(ranges, runs, strict=True) if last >= 128]
    groups = "".join(f"[{''.join(others[start:start + 28])}]" for start in range(0, len(others), 28))
    return rf"{plain}[\x{{80}}-\x{{{sys.maxunicode:x}}}&&[{groups}]]"


def _compiles(pattern: str, result: str) -> bool:
    """Whether Python takes a pattern without a word, and Polars what it became: `\\w{300}` is too large for it."""
    import polars as pl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a set such as [+--] means something else to other engines
            re.compile(pattern)
        pl.Series([""]).str.contains(f"^(?:{result})")
    except (re.error, Warning, pl.exceptions.ComputeError):
        return False
    return True


def _usual(atom: re.Match[str], before: str, *, last: bool) -> bool:
    """Whether an atom stands where it has its plain meaning: anchors at the ends, one repetition after something."""
    if atom.lastgroup == "anchor":
        return not before if atom[0] == "^" else last
    if atom.lastgroup == "times":
        return before not in ("", "times", "open", "anchor")
    return True
