"""Names as words: `customer_age` and `CustomerAge` hold the word age, `page` and `average` do not."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name, in lower case."""
    return tuple(found.lower() for found in _WORD.findall(name))
