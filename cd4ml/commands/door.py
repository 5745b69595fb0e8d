"""Where a run comes from and where its results go."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TextIO

from cd4ml.errors import UnavailableError
from cd4ml.wording import Redactor


class Stream(Protocol):
    """Where text goes."""

    def write(self, text: str, /) -> int:
        """Take a text."""

    def flush(self) -> None:
        """Hand on what was taken."""


@dataclass(frozen=True)
class Lasting:
    """A stream whose reader may go, as `| head` does: what is decided and done must not depend on who listens.

    Attributes:
        redactor: what every text goes through.
    """

    stream: TextIO
    redactor: Redactor = Redactor()

    @property
    def terminal(self) -> bool:
        """Whether people read it as it is written."""
        try:
            return self.stream.isatty()
        except ValueError:  # closed
            return False

    @property
    def encoding(self) -> str:
        """How its characters are written."""
        return self.stream.encoding or "utf-8"

    @property
    def columns(self) -> int | None:
        """How many columns a line of it has, None if nobody knows."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or None
        except (OSError, ValueError):
            return None

    def write(self, text: str, /) -> int:
        """Take a text, without its secrets; it is lost if nobody reads any more."""
        try:
            return self.stream.write(self.redactor.text(text))
        except BrokenPipeError:
            self._drop()
            return len(text)
        except OSError as error:
            raise self._full(error) from error

    def flush(self) -> None:
        """Hand on what was taken."""
        try:
            self.stream.flush()
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> UnavailableError:
        """Return the error of a stream that takes no more; who reads it would see half of a result."""
        self._drop()
        return UnavailableError(f"The output cannot be written: {error.strerror}.", advice="Free disk space.")

    def _drop(self) -> None:
        """Let everything else go nowhere, what the interpreter still holds too."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a run's results go: the streams and the platform's files.

    Attributes:
        redactor: what everything that is published goes through.
        annotations: how many of each type were written; the platform's limit is one for all stages of a step.
    """

    environ: Mapping[str, str]
    stdout: Stream
    stderr: Stream
    redactor: Redactor = Redactor()
    annotations: Counter[str] = field(default_factory=Counter)

    def file(self, name: str) -> Path | None:
        """Return the platform's file of that name, if this run has one."""
        value = self.environ.get(name)
        return Path(value) if value else None
