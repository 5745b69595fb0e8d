"""Why a run ends: one class and one exit code per reason.

Scripts rely on the codes; `EXIT_CODES` is the only place where they are written, and the tables in the documentation
are generated from it. A message says what is wrong, where, and what to do next.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final


@dataclass(frozen=True, kw_only=True)
class ExitCode:
    """An exit code of the command line and what it means."""

    code: int
    name: str
    meaning: str


PASSED: Final = ExitCode(code=0, name="passed", meaning="every check ran and passed (or the stage is not configured)")
FAILED: Final = ExitCode(code=1, name="failed", meaning="at least one check failed: the change is blocked")
USAGE: Final = ExitCode(code=2, name="usage", meaning="bad options, configuration or input: nothing was decided")
UNAVAILABLE: Final = ExitCode(
    code=3, name="unavailable", meaning="data, registry, network or tool could not be reached: nothing was decided"
)
INCONCLUSIVE: Final = ExitCode(
    code=4, name="inconclusive", meaning="too little data to decide; the message says how much is needed"
)
INTERNAL: Final = ExitCode(code=70, name="internal", meaning="a defect in cd4ml: please report it")

EXIT_CODES: Final = (PASSED, FAILED, USAGE, UNAVAILABLE, INCONCLUSIVE, INTERNAL)


class Cd4mlError(Exception):
    """A run that cannot reach a verdict. The report then says `error`."""

    exit_code: ClassVar[ExitCode] = INTERNAL
    reason: ClassVar[str] = "internal-error"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        ended = self.message if self.message.endswith((".", "?", "!")) else f"{self.message}."
        return f"{ended} {self.advice}" if self.advice else self.message


class Interrupted(BaseException):
    """The run was told to end, by Ctrl-C, a runner or a time limit: on its way out it cleans up and does nothing else.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        # As a shell tells it of a program that ended by a signal.
        self.code = 128 + number


class OptionsError(Cd4mlError):
    """Options, configuration or the contents of an input are wrong. All problems found are reported at once."""

    exit_code = USAGE
    reason = "bad-input"

    def __init__(self, problems: str | Sequence[str], *, advice: str = "") -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(self.problems), advice=advice)


class RequiredOptionsError(OptionsError):
    """Options that nobody set are required; `others` are the problems beside that."""

    def __init__(self, problems: Sequence[str], *, others: Sequence[str] = ()) -> None:
        super().__init__(problems)
        self.others = tuple(others)


class UnavailableError(Cd4mlError):
    """Something outside that the stage needs (a file, a registry, a tool) is missing or does not answer."""

    exit_code = UNAVAILABLE
    reason = "unavailable"
