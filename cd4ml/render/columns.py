"""How many columns of a terminal or of a code block a text takes."""

from __future__ import annotations

import unicodedata
from typing import Final

_WIDE: Final = ("W", "F")
_NO_WIDTH: Final = ("Mn", "Me", "Cf")


def columns(text: str) -> int:
    """Return how many columns a text takes, where letters of one width are used."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def cut(text: str, most: int) -> str:
    """Return a text of at most so many columns; what is left out is marked."""
    if columns(text) <= most:
        return text
    mark = "…" if not text.isascii() else "~"
    shown, used = [], 1
    for character in text:
        used += _width(character)
        if used > most:
            break
        shown.append(character)
    return "".join(shown) + mark


def padded(text: str, width: int) -> str:
    """Return a text with so many spaces behind it that it takes `width` columns; a longer one is cut."""
    shown = cut(text, width)
    return shown + " " * (width - columns(shown))


def _width(character: str) -> int:
    """Return how many columns a character takes."""
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
