"""Questions on a terminal: each shows the answer that is proposed and why, and Enter takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

from cd4ml.commands.door import Door
from cd4ml.errors import OptionsError
from cd4ml.wording import nearest, safe

NONE: Final = "-"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A person at a terminal."""

    stdin: TextIO
    door: Door

    def ask(self, question: str, proposed: str | None, why: str, *, problem: Callable[[str], str | None]) -> str | None:
        """Return the answer; None for none.

        Args:
            proposed: what Enter takes; None proposes none.
            problem: says what is wrong with an answer; then it is asked again.
        """
        while True:
            self._print(f"{question}\n  {why}" if why else question)
            self._print(f"  [{proposed or 'none'}] (`{NONE}` for none): ", end="")
            answer = self._line().strip() or proposed or NONE
            if answer == NONE:
                return None
            wrong = problem(answer)
            if not wrong:
                return answer
            self._print(f"  {wrong}")

    def agrees(self, question: str) -> bool:
        """Whether the answer is yes, which Enter says as well."""
        self._print(f"{question} [Y/n] ", end="")
        return self._line().strip().lower() in ("", "y", "yes")

    def _line(self) -> str:
        """Return what was typed."""
        line = self.stdin.readline()
        if not line:
            raise OptionsError("the input ended before every question was answered; nothing was written")
        return line

    def _print(self, text: str, end: str = "\n") -> None:
        """Print a text, whose lines are ours and whose words may be of files and data."""
        shown = "\n".join(safe(self.door.redactor.text(line)) for line in text.split("\n"))
        print(shown, end=end, file=self.door.stdout)
        self.door.stdout.flush()


def one_of(known: list[str], what: str) -> Callable[[str], str | None]:
    """Return what is wrong with an answer that must be one of several."""

    def problem(answer: str) -> str | None:
        return None if answer in known else f"there is no {what} `{answer}`{nearest(answer, known)}"

    return problem


def all_of(known: list[str], what: str) -> Callable[[str], str | None]:
    """Return what is wrong with an answer that names several, with commas between them."""

    def problem(answer: str) -> str | None:
        unknown = [name for name in split(answer) if name not in known]
        return f"there is no {what} `{unknown[0]}`{nearest(unknown[0], known)}" if unknown else None

    return problem


def split(answer: str) -> list[str]:
    """Return the parts of an answer."""
    return [part.strip() for part in answer.split(",") if part.strip()]
