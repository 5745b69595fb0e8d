"""Columns whose names say that they tell groups of people apart; nothing but the names is read, as words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.project.words import words

_WORDS: Final = frozenset(
    """sex gender race racial ethnicity ethnic religion religious marital married marriage disability disabled
    nationality citizenship national citizen pregnant pregnancy veteran age aged birthdate birthday dob senior elderly
    foreign immigrant caste orientation""".split()
)
_PAIRS: Final = {
    ("native", "country"): "nationality",
    ("country", "birth"): "nationality",
    ("civil", "status"): "marital",
}
_AGES: Final = frozenset({"age", "aged"})
# What has an age and is no person, and what else is foreign, national or senior.
_THINGS: Final = frozenset(
    """account contract vehicle car house home building property device document policy bill loan credit company firm
    tenure asset machine equipment model session roof engine tree page file trade debt worker national id transaction
    currency exchange trip orientation screen phone image bank product insurance""".split()
)


def sensitive(columns: Sequence[str]) -> dict[str, str]:
    """Return the columns whose names say so, each with the word that does."""
    found = {}
    for column in columns:
        word = _word(words(column))
        if word:
            found[column] = word
    return found


def is_age(word: str) -> bool:
    """Whether a word speaks of an age in years."""
    return word in _AGES


def _word(parts: Sequence[str]) -> str | None:
    """Return the word of a name that tells groups apart."""
    for pair, word in _PAIRS.items():
        if {*pair} <= {*parts}:
            return word
    for part in parts:
        others = {*parts} - {part}
        if part in _WORDS and not _THINGS & others:
            return part
    return None
