"""The worker's turn: read, count, judge windows that have ended, and keep what is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cd4ml.checks.drift.stream import no_window_check
from cd4ml.errors import Cd4mlError, UnavailableError
from cd4ml.report import Report, error_report
from cd4ml.stages.detect_drift.judging import STAGE
from cd4ml.worker import state as kept
from cd4ml.worker.exposition import numbers_of, text
from cd4ml.worker.judging import Judge
from cd4ml.worker.sources.batch import Source
from cd4ml.worker.state import State, Verdict
from cd4ml.worker.windows import Outcome

COMMIT_SECONDS: Final = 2.0
_VERDICTS: Final = 100  # windows whose verdicts are kept
_DRIFTED: Final = {"true": True, "false": False}


class Worker:
    """Reads sources into windows, and hands on the report of each.

    Attributes:
        away: why a source cannot be read, by its name.
        newest: the report of the newest window that this process has judged.
    """

    def __init__(
        self,
        state: State,
        path: Path,
        sources: Sequence[Source],
        judge: Judge,
        publish: Callable[[Report, Sequence[Verdict]], None],
        *,
        commit_seconds: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin where the state says.

        Args:
            path: of the state.
            publish: takes the report of each window, and the verdicts up to it, newest first.
            commit_seconds: after which the state is written, if something was counted; COMMIT_SECONDS if not set.
        """
        self.state, self.away = state, dict[str, str]()
        self.newest: Report | None = None
        self._path, self._sources, self._judge, self._publish = path, sources, judge, publish
        self._commit_seconds, self._clock = COMMIT_SECONDS if commit_seconds is None else commit_seconds, clock
        self._dirty, self._committed = False, clock()

    def turn(self) -> bool:
        """Read once from every source, and judge what has ended; return whether anything was read."""
        was_away = bool(self.away)
        read = [self._read(source) for source in self._sources]
        drained = not any(read) and not self.away
        closed = self._judge_due(drained=drained)
        if self.away and not was_away:
            self._publish(error_report(STAGE, UnavailableError("; ".join(self.away.values()))), ())
        elapsed = self._clock() - self._committed >= self._commit_seconds
        if closed or (self._dirty and (drained or elapsed)):
            self.commit()
        return any(read)

    def commit(self) -> None:
        """Keep what is known.

        Raises:
            UnavailableError: the state cannot be written.
        """
        self.state.positions = {source.name: source.position() for source in self._sources}
        kept.write(self._path, self.state)
        for source in self._sources:
            source.committed()
        self._dirty, self._committed = False, self._clock()

    def waiting(self) -> Report:
        """Return the report of a worker that has judged no window: there is no verdict yet."""
        windows = self.state.windows
        counted = sum(one.events for one in windows.open.values())
        check = no_window_check(counted, windows.rules.seconds, windows.rules.lateness)
        outputs = {"drift": "unknown", "retrain": "false", "worst-feature": ""}
        return Report(stage=STAGE, checks=[check], summary=check.message, outputs=outputs)

    def text(self) -> str:
        """Return what is known, as Prometheus reads it."""
        return text(self.state, [source.name for source in self._sources], self.away)

    def close(self) -> None:
        """Let go of the sources."""
        for source in self._sources:
            source.close()

    def _read(self, source: Source) -> bool:
        """Read from a source; one that is away is asked again at the next turn."""
        try:
            batch = source.read()
        except UnavailableError as error:
            self.away[source.name] = error.message
            return False
        self.away.pop(source.name, None)
        if batch is None:
            return False
        windows = self.state.windows
        windows.note(Outcome.UNREADABLE, batch.unreadable, list(batch.places))
        windows.add(batch.events, self._clock())
        self._dirty = True
        return True

    def _judge_due(self, *, drained: bool) -> bool:
        """Judge the windows that have ended; return whether there was one."""
        numbers = list(self.state.windows.due(self._clock(), drained=drained))
        for number in numbers:
            self._judge_window(number)
        return bool(numbers)

    def _judge_window(self, number: int) -> None:
        """Judge a window, and hand its report on before it is forgotten."""
        state = self.state
        span = state.windows.span(number)
        counted, arrivals = state.windows.close(number)
        places = ", ".join(source.name for source in self._sources)
        try:
            report = self._judge.report(counted, arrivals, span, places=places, left_out=state.left_out)
        except Cd4mlError as error:
            report = error_report(STAGE, error)
        state.left_out = 0
        state.statuses[report.status] += 1
        state.verdicts.insert(0, _verdict(report, span[1].timestamp()))
        del state.verdicts[_VERDICTS:]
        state.numbers = numbers_of(report)
        self.newest = report
        self._publish(report, state.verdicts)


def _verdict(report: Report, end: float) -> Verdict:
    """Return what is kept of a report."""
    return Verdict(
        end=end,
        status=str(report.status),
        drifted=_DRIFTED.get(report.outputs.get("drift", "")),
        retrain=report.outputs.get("retrain") == "true",
        worst_feature=report.outputs.get("worst-feature", ""),
        data=next((item.sha256 for item in report.inputs if item.name == "current"), ""),
        summary=report.summary,
    )
