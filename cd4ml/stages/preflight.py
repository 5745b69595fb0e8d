"""What can be known to be wrong with a stage before any stage runs.

A stage's early checks are in `stages/<stage>/preflight.py`, beside its options, and most of them are what its `run`
begins with too. They are light, bounded in time, and decide nothing: what they find is said first, and the stage itself
gives the verdict. What cannot be seen yet is not looked at: a preflight never says of a stage what the stage would not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, cast

from cd4ml.context import Context
from cd4ml.errors import Cd4mlError, ExitCode, OptionsError

# A model's folder with what says how it is loaded, or why there is none. What did not answer in time is left out.
Looked = Mapping[str, Path | Cd4mlError]
# What hinders a look and is no mistake of the user's: a library that is not here, a file that cannot be read.
_BLIND: Final = (ImportError, OSError, ValueError)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: how the stage will end; None for a warning, which the stage may get past.
    """

    message: str
    advice: str = ""
    code: ExitCode | None = None

    def __str__(self) -> str:
        """Return the message with what to do."""
        ended = self.message if self.message.endswith((".", "?", "!")) else f"{self.message}."
        return f"{ended} {self.advice}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Early:
    """What an early look may use.

    Attributes:
        here: whether the stages run here, with these files and programs; a plan sees the repository alone.
        made: tables that earlier stages of the run write, and the columns that those hold beside the standard ones.
        look: looks at models, given where their registry is; None if no model is looked at.
    """

    context: Context
    here: bool
    made: Mapping[str, Sequence[str]] = field(default_factory=dict)
    look: Callable[[Sequence[str], str | None], Looked] | None = None

    def columns_made(self, table: str) -> Sequence[str] | None:
        """Return the columns beside the standard ones of a table that an earlier stage of the run writes, else None."""
        return next((columns for name, columns in self.made.items() if Path(name) == Path(table)), None)

    def table(self, written: str) -> None:
        """Refuse a table that is not there, unless an earlier stage of the run writes it.

        Raises:
            UnavailableError, OptionsError: as `open_table` does.
        """
        from cd4ml.data.tables.header import present  # a plan opens no table

        if self.columns_made(written) is None:
            present(written)


class Preflight(Protocol):
    """What a stage's `preflight` module offers."""

    def preflight(self, options: Any, early: Early) -> Iterable[Finding]:
        """Yield what is wrong, as far as that can be seen without doing the stage's work."""


class Makes(Protocol):
    """What the `preflight` module of a stage that writes tables offers as well."""

    def made(self, options: Any) -> Mapping[str, Sequence[str]]:
        """Return the tables that the stage writes, with their columns beside the standard ones."""


def load_preflight(name: str) -> Preflight:
    """Import a stage's early checks; this is light."""
    return cast(Preflight, importlib.import_module(f"cd4ml.stages.{name.replace('-', '_')}.preflight"))


def made_by(name: str, options: Any) -> Mapping[str, Sequence[str]]:
    """Return the tables that a stage writes."""
    module: Any = load_preflight(name)
    return cast(Makes, module).made(options) if hasattr(module, "made") else {}


def tried(*checks: Callable[[], object]) -> Iterator[Finding]:
    """Yield what checks refuse, each problem for itself; a check that cannot look says nothing."""
    for check in checks:
        try:
            check()
        except Cd4mlError as error:
            yield from findings(error)
        except _BLIND:
            continue


def findings(error: Cd4mlError) -> Iterator[Finding]:
    """Yield the problems that an error names; the advice is for all of them, and stands with the last."""
    problems = error.problems if isinstance(error, OptionsError) else (error.message,)
    for position, problem in enumerate(problems, 1):
        yield Finding(message=problem, advice=error.advice if position == len(problems) else "", code=error.exit_code)
