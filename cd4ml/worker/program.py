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
from cd4ml.worker.counting import Counted
from cd4ml.worker.exposition import LOSS, numbers_of, text
from cd4ml.worker.judging import Joined, Judge, name_of
from cd4ml.worker.sources.batch import Batch, Source
from cd4ml.worker.state import State, Verdict
from cd4ml.worker.windows import Outcome

COMMIT_SECONDS: Final = 2.0
_WRITING: Final = 20  # times as long as the state took to write, until it is written again
_LABEL_BATCHES: Final = 100  # of labels in a turn
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
        labels: Sequence[Source] = (),
    ) -> None:
        """Begin where the state says.

        Args:
            path: of the state.
            publish: takes the report of each window, and the verdicts up to it, newest first.
            labels: sources of labels, where the state waits for them.
            commit_seconds: after which the state is written, if something was counted; COMMIT_SECONDS if not set.
        """
        self.state, self.away = state, dict[str, str]()
        self.newest: Report | None = None
        self._path, self._sources, self._judge, self._publish = path, sources, judge, publish
        self._commit_seconds, self._clock = COMMIT_SECONDS if commit_seconds is None else commit_seconds, clock
        self._labels = labels
        self._dirty, self._committed, self._took = False, clock(), 0.0

    def turn(self) -> bool:
        """Read once from every source, and judge what has ended; return whether anything was read."""
        was_away = bool(self.away)
        read = [self._read(source, self._count) for source in self._sources]
        come = [self._read_labels(source, quiet=not any(read)) for source in self._labels]
        drained = not any(read) and not self.away
        closed = self._judge_due(drained=drained, labels_drained=not any(come) and not self.away)
        if self.away and not was_away:
            self._publish(error_report(STAGE, UnavailableError("; ".join(self.away.values()))), ())
        # Writing is to take a small part of the time, however much waits for labels.
        elapsed = self._clock() - self._committed >= max(self._commit_seconds, _WRITING * self._took)
        if closed or (self._dirty and (drained or elapsed)):
            self.commit()
        return any(read) or any(come)

    def commit(self) -> None:
        """Keep what is known.

        Raises:
            UnavailableError: the state cannot be written.
        """
        self.state.positions = {source.name: source.position() for source in self._sources}
        self.state.label_positions = {source.name: source.position() for source in self._labels}
        began = time.perf_counter()
        kept.write(self._path, self.state)
        self._took = time.perf_counter() - began
        for source in (*self._sources, *self._labels):
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
        return text(self.state, [source.name for source in (*self._sources, *self._labels)], self.away)

    def close(self) -> None:
        """Let go of the sources."""
        for source in (*self._sources, *self._labels):
            source.close()

    def _read(self, source: Source, take: Callable[[Batch], None]) -> bool:
        """Read from a source; one that is away is asked again at the next turn."""
        try:
            batch = source.read()
        except UnavailableError as error:
            self.away[source.name] = error.message
            return False
        self.away.pop(source.name, None)
        if batch is None:
            return False
        take(batch)
        self._dirty = True
        return True

    def _count(self, batch: Batch) -> None:
        """Count events."""
        windows = self.state.windows
        windows.note(Outcome.UNREADABLE, batch.unreadable, list(batch.places))
        windows.add(batch.events, self._clock())

    def _join(self, batch: Batch) -> None:
        """Join labels to their predictions."""
        awaiting = self.state.windows.awaiting
        assert awaiting is not None
        awaiting.unreadable(batch.unreadable, list(batch.places))
        awaiting.come(batch.events, self._clock())

    def _read_labels(self, source: Source, *, quiet: bool) -> bool:
        """Read labels until there are none; return whether there may be more.

        Args:
            quiet: whether no event was read. If not, labels without a prediction wait where they are once there is no
                room for them: a worker that has much to read must not lose those that are ahead.
        """
        awaiting = self.state.windows.awaiting
        assert awaiting is not None
        for _ in range(_LABEL_BATCHES):
            if not (awaiting.has_room or quiet):
                return True
            if not self._read(source, self._join):
                return False
        return True

    def _judge_due(self, *, drained: bool, labels_drained: bool) -> bool:
        """Judge the windows that have ended; return whether there was one."""
        numbers = list(self.state.windows.due(self._clock(), drained=drained))
        for number in numbers:
            self._judge_window(number, labels_drained=labels_drained and number == numbers[-1])
        return bool(numbers)

    def _settled(self, number: int, counted: Counted, *, drained: bool) -> Joined | None:
        """Return what came of labels by the end of a window, None if none are waited for."""
        windows = self.state.windows
        if (awaiting := windows.awaiting) is None:
            return None
        if number in awaiting.windows:
            awaiting.windows[number].mixed = self._judge.is_mixed(counted)
        rules, terms = windows.rules, awaiting.terms
        awaiting.forget(self._clock() - terms.seconds - rules.seconds - rules.lateness)
        moment = max(windows.newest, windows.span(number)[1].timestamp() + rules.lateness)
        due = awaiting.due(number, moment, rules.seconds, drained=drained)
        settled = [awaiting.settle(one, name_of(windows.span(one)[0])) for one in due]
        came, places = awaiting.told()
        return Joined(settled=settled, came=came, places=places, waiting=awaiting.waiting)

    def _judge_window(self, number: int, *, labels_drained: bool) -> None:
        """Judge a window, and hand its report on before it is forgotten."""
        state = self.state
        span = state.windows.span(number)
        counted, arrivals = state.windows.close(number)
        joined = self._settled(number, counted, drained=labels_drained)
        places = ", ".join(source.name for source in self._sources)
        try:
            report = self._judge.report(counted, arrivals, span, places=places, left_out=state.left_out, joined=joined)
        except Cd4mlError as error:
            report = error_report(STAGE, error)
        state.left_out = 0
        state.statuses[report.status] += 1
        state.verdicts.insert(0, _verdict(report, span[1].timestamp()))
        del state.verdicts[_VERDICTS:]
        # The loss is that of the newest window whose labels are there, and stays until there is another.
        lost = {name: found for name, found in state.numbers.items() if name == LOSS.name}
        state.numbers = lost | numbers_of(report)
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
