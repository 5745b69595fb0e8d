"""What a package says of its licence, as choices and demands: SPDX's expressions, read exactly.

https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(r"[()]|[A-Za-z0-9][A-Za-z0-9.+:-]*")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_OR: Final = re.compile(r"\s+OR\s+", re.I)
_OPERATORS: Final = ("and", "or", "with")
# Deeper than anybody writes, and less than the interpreter can bear.
_DEEPEST: Final = 50


@dataclass(frozen=True, kw_only=True)
class Term:
    """One licence of an expression, with its exception if it has one, or words that are no expression.

    Attributes:
        exact: whether this is one licence and not just words.
    """

    words: Sequence[str]
    exact: bool


# None is what is not known: it is no way out of what is true.
Judge = Callable[[Term], bool | None]


def words_of(text: str) -> list[str]:
    """Return what may be identifiers of licences in a text."""
    return [word for word in _WORD.findall(text) if word.lower() not in _OPERATORS]


def holds(text: str, judge: Judge) -> bool | None:
    """Return whether something is true of a licence whatever a package's user chooses, None if that is not known.

    What is no expression, such as a licence's own text, is read strictly: everything that it names counts, unless `or`
    stands between.
    """
    tokens = _TOKEN.findall(text)
    if not re.sub(r"\s+", "", text) == "".join(tokens):
        tokens = []
    try:
        parser = _Parser(tokens=tokens, judge=judge)
        return parser.whole()
    except _NoExpression:
        # Parentheses may hold a choice within a demand.
        choices = [text] if "(" in text else _OR.split(text)
        return _any_choice([judge(Term(words=words_of(choice), exact=False)) for choice in choices])


class _NoExpression(Exception):
    """A text is not an expression."""


class _Parser:
    """Reads an expression and judges it on the way."""

    def __init__(self, *, tokens: Sequence[str], judge: Judge) -> None:
        self._tokens = list(reversed(tokens))
        self._judge = judge

    def whole(self) -> bool | None:
        """Return the verdict on everything."""
        found = self._choice(0)
        if self._tokens:
            raise _NoExpression
        return found

    def _choice(self, depth: int) -> bool | None:
        return _any_choice([found for found in self._joined("or", lambda: self._demand(depth))])

    def _demand(self, depth: int) -> bool | None:
        found = list(self._joined("and", lambda: self._term(depth)))
        if any(found):
            return True
        return None if None in found else False

    def _joined(self, operator: str, part: Callable[[], bool | None]) -> Iterator[bool | None]:
        yield part()
        while self._tokens and self._tokens[-1].lower() == operator:
            self._tokens.pop()
            yield part()

    def _term(self, depth: int) -> bool | None:
        if self._tokens and self._tokens[-1] == "(" and depth < _DEEPEST:
            self._tokens.pop()
            found = self._choice(depth + 1)
            if not self._tokens or self._tokens.pop() != ")":
                raise _NoExpression
            return found
        words = [self._identifier()]
        if self._tokens and self._tokens[-1].lower() == "with":
            self._tokens.pop()
            words.append(self._identifier())
        return self._judge(Term(words=words, exact=True))

    def _identifier(self) -> str:
        token = self._tokens.pop() if self._tokens else "("
        if token in "()" or token.lower() in _OPERATORS:
            raise _NoExpression
        return token


def _any_choice(found: Sequence[bool | None]) -> bool | None:
    """Return the verdict on alternatives: one that is known to be free is a way out, one that is not known is none."""
    if False in found:
        return False
    return True if True in found else None
