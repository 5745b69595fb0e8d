"""The worker that the options ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cd4ml.commands.door import Door
from cd4ml.commands.monitor.told import Told
from cd4ml.context import Context
from cd4ml.report import Report
from cd4ml.stages.detect_drift.reference import compared, reference_of
from cd4ml.worker import state
from cd4ml.worker.program import Worker
from cd4ml.worker.setting import basis_of, counting_of, judge_of, terms_of
from cd4ml.worker.sources.opening import open_labels, open_source
from cd4ml.worker.state import Verdict
from cd4ml.worker.windows import Rules
from cd4ml.writing import result


@contextmanager
def made(told: Told, door: Door, publish: Callable[[Report, Sequence[Verdict]], None]) -> Iterator[Worker]:
    """Yield the worker, which goes on where its state says.

    Raises:
        OptionsError: there is nothing to compare, or the state is damaged or another worker's.
        UnavailableError: the reference or the state cannot be read.
    """
    path = result("state", told.state, door.environ, endings=(".npz",), ours=state.is_state)
    context = Context(directory=Path.cwd(), environ=door.environ)
    reference, _, model = reference_of(told.drift, context, labelled=bool(told.labels))
    judge = judge_of(
        told.drift,
        reference,
        model,
        compared(told.drift, reference),
        schema=told.schema,
        maximum_broken=told.maximum_broken,
        maximum_unreadable=told.maximum_unreadable,
        positive_label=told.positive_label,
        minimum_accuracy=told.minimum_accuracy,
    )
    rules = Rules(seconds=told.seconds, lateness=told.lateness, tracks=told.tracks)
    terms = terms_of(judge, seconds=told.label_wait, most=told.awaited) if told.labels else None
    with state.alone(path):
        known = state.read(
            path,
            basis_of(judge, rules),
            rules,
            counting_of(judge),
            remembered=told.remembered,
            now=time.time(),
            terms=terms,
        )
        sources = [open_source(place, known.positions) for place in told.events]
        labels = [open_labels(place, known.label_positions) for place in told.labels]
        worker = Worker(known, path, sources, judge, publish, labels=labels)
        try:
            yield worker
        finally:
            worker.close()
