"""How a text looks where it is read: its colours and marks, and how wide its lines may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.report import Status

NOT_RUN: Final = "not-run"
# Status -> its mark, the same for those who cannot read it, and its colour among the sixteen of every terminal.
_MARKS: Final = {
    Status.PASSED: ("✔", "+", 32),
    Status.FAILED: ("✘", "x", 31),
    Status.INCONCLUSIVE: ("?", "?", 33),
    Status.ERROR: ("!", "!", 35),
    Status.SKIPPED: ("–", "-", 90),
    NOT_RUN: ("○", ".", 90),
}
SIGNS: Final = {str(status): sign for status, (sign, _, _) in _MARKS.items()}
_WARNED: Final = 33
_BOLD: Final = 1
_DOT: Final = " · "
_SPELLED: Final = str.maketrans(
    {"·": "|", "–": "-", "—": "-", "→": "->", "…": "...", "−": "-", "±": "+/-", "≤": "<=", "≥": ">=", "\xa0": " "}
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a text may use.

    Attributes:
        colour: whether it may hold the escape codes of colours; a mark and a word always say the same.
        unicode: whether what reads it takes more than ASCII.
        width: columns of a line, None where lines are not wrapped.
        verbose: whether everything is told, and not only what did not pass.
    """

    colour: bool = False
    unicode: bool = True
    width: int | None = None
    verbose: bool = False

    def mark(self, status: str, *, warned: bool = False) -> str:
        """Return the mark of a status."""
        sign, plain, colour = _MARKS[Status(status) if status != NOT_RUN else NOT_RUN]
        return self._painted(sign if self.unicode else plain, _WARNED if warned else colour)

    def word(self, status: str, text: str, *, warned: bool = False) -> str:
        """Return a text in the colour of a status."""
        return self._painted(text, _WARNED if warned else _MARKS[Status(status) if status != NOT_RUN else NOT_RUN][2])

    def bold(self, text: str) -> str:
        """Return a text that stands out."""
        return self._painted(text, _BOLD)

    def joined(self, parts: list[str]) -> str:
        """Return parts of a line with something between them."""
        return self.spelled(_DOT.join(parts))

    def spelled(self, text: str) -> str:
        """Return a text in the characters that may be used."""
        return text if self.unicode else text.translate(_SPELLED)

    def lines(self, text: str, *, indent: str, first: str | None = None) -> list[str]:
        """Return a text as lines that fit.

        Args:
            indent: what each line begins with.
            first: what the first begins with instead; it takes as many columns.
        """
        start = indent if first is None else first
        text = self.spelled(text)
        if self.width is None or len(indent) + len(text) <= self.width:
            return [start + text]
        import textwrap  # only people at a terminal need it

        room = max(self.width - len(indent), 20)
        found = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        return [start + found[0], *(indent + line for line in found[1:])] if found else [start]

    def _painted(self, text: str, code: int) -> str:
        """Return a text between escape codes."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


PLAIN: Final = Look()
