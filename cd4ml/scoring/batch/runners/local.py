"""One model on this machine; while it scores a part, the next one is read and the one before is written."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.context import Context
from cd4ml.scoring import isolated
from cd4ml.scoring.batch.checked import Checked, UnequalError, asked as asking
from cd4ml.scoring.batch.job import Job, Outcome
from cd4ml.scoring.batch.kernel import Kernel
from cd4ml.scoring.scorer import ScoringError

if TYPE_CHECKING:
    import pyarrow as pa

_SECONDS_OF_SILENCE: Final = 10.0


def score(job: Job, context: Context) -> Outcome:
    """See Runner."""
    # Several run side by side as tasks of an engine, which starts one again that was lost.
    folder = Path(tempfile.mkdtemp(prefix="model-", dir=job.staging.scratch))
    limits = job.loading.limits
    with asking(job.loading, folder, context.environ) as (model, held):
        if problem := isolated.not_isolated(limits, held):
            return Outcome(isolation=held, problem=str(problem))
        asked: deque[tuple[int, pa.Table]] = deque()
        said = time.monotonic()
        try:
            for number, rows in job.parts.read(job.missing, job.columns):
                model.ask(job.question(rows))
                asked.append((number, rows))
                if len(asked) > 1:
                    _take(job, model, asked)
                if time.monotonic() - said > _SECONDS_OF_SILENCE:
                    said = time.monotonic()
                    context.progress(f"Scored {job.parts.start(asked[0][0]):,} of {job.parts.rows:,} rows")
            while asked:
                _take(job, model, asked)
        except ScoringError as error:
            unequal = isinstance(error, UnequalError)
            return Outcome(isolation=held, problem=f"{job.place(asked[0][0])}: {error}", unequal=unequal)
    return Outcome(isolation=held)


def _take(job: Job, model: Kernel | Checked, asked: deque[tuple[int, pa.Table]]) -> None:
    """Take the answer that was asked for first."""
    number, rows = asked[0]
    job.take(number, rows, model.answer(job.loading.limits.seconds))
    asked.popleft()
