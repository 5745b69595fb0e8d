"""Everything of one worker that watches: put together from the settings, begun before its server and ended after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cd4ml.serving.exchange import Observer
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.settings import Settings
from cd4ml.serving.telemetry.context import Context
from cd4ml.serving.telemetry.exporting import Exporting
from cd4ml.serving.telemetry.lines import Lines
from cd4ml.serving.telemetry.log import RequestLog, log_to
from cd4ml.serving.telemetry.metrics import families
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.telemetry.metrics.metrics import Metrics
from cd4ml.serving.telemetry.metrics.ranges import ranges_for
from cd4ml.serving.telemetry.spans import Spans


class Telemetry:
    """The log, the traces and the metrics of a worker.

    Attributes:
        context: begins exchanges; `metrics`: what others may add their counts to; `ranges`: of the features.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        model: Mapping[str, str | None],
        runtime: Callable[[], Runtime | None],
        board: Board,
        worker: int = 0,
    ) -> None:
        """Read what is set; nothing runs yet.

        Args:
            model: name, version and sha256.
            runtime: the model, once it is loaded.
            board: the memory that the workers share.

        Raises:
            SettingsError: a variable has a value that it cannot have.
        """
        exporting = Exporting.read(environ)
        self.context = Context(sampled=exporting.sampled if exporting else 0.0)
        self.ranges = ranges_for(settings)
        self.metrics = Metrics(board, worker, model=model, runtime=runtime, ranges=self.ranges)
        self._lines = Lines()
        self._level = settings.log_level
        log = RequestLog(
            self._lines, level=settings.log_level, share=settings.log_sample, model_sha256=model["sha256"] or ""
        )
        self._observers: list[Observer] = [self.metrics, log]
        lines = self._lines
        self.metrics.outcomes(families.LOG_LINES, lambda: {"written": lines.written, "dropped": lines.dropped})
        if exporting is not None:
            spans = Spans(exporting, model=model)
            self._observers.append(spans)
            self.metrics.outcomes(families.SPANS, lambda: spans.counts)

    @property
    def observers(self) -> Sequence[Observer]:
        """Whoever is told of answered requests."""
        return self._observers

    def start(self) -> None:
        """Write the log, from now on."""
        self._lines.start()
        log_to(self._lines, level=self._level)

    def close(self) -> None:
        """Write the rest of the log."""
        self._lines.close()
