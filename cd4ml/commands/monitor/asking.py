"""Asking for retraining on what the worker judged, by the code of request-retraining."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cd4ml.commands.door import Door
from cd4ml.commands.results import Results
from cd4ml.context import Context
from cd4ml.errors import Cd4mlError
from cd4ml.report import Report
from cd4ml.retraining.window import Window, window
from cd4ml.stages import RETRAINING
from cd4ml.stages.request_retraining.options import Options
from cd4ml.stages.request_retraining.run import ask, rules_of

_AGAIN_SECONDS: Final = 60.0


class Asking:
    """Asks after each window with a verdict; where GitHub is away, again every minute until it answers.

    A worker that is killed meanwhile judges the window again, and finds the request that it has made.
    """

    def __init__(self, options: Options, door: Door) -> None:
        """Prepare.

        Raises:
            OptionsError: the limits decide nothing.
        """
        rules_of(options)
        self._options, self._door = options, door
        self._pending: tuple[Window, Sequence[bool | None]] | None = None
        self._next = 0.0

    def judged(self, report: Report, drifted: Sequence[bool | None]) -> None:
        """Take a window.

        Args:
            drifted: whether each window drifted, newest first.
        """
        if drifted[0] is not None:
            self._pending, self._next = (window(report), list(drifted)), 0.0

    def turn(self) -> Report | None:
        """Ask if there is something to ask; return what came of it.

        Raises:
            Cd4mlError: it could not be asked; the next turn after a minute tries again.
        """
        if self._pending is None or time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + _AGAIN_SECONDS
        newest, drifted = self._pending
        results = Results(name=RETRAINING, door=self._door, started=time.time(), options=self._options)
        context = Context(directory=Path.cwd(), environ=self._door.environ, save=results.keep)
        try:
            report = ask(self._options, context, newest, lambda _: drifted)
        except Cd4mlError as error:
            results.save(results.broken_off(error))
            raise
        results.save(report)
        self._pending = None
        return report
