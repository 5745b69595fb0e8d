"""Models on the workers of a Spark session, which gives out tasks by `mapInArrow`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cd4ml.context import Context
from cd4ml.errors import UnavailableError
from cd4ml.scoring.batch.job import Job, Outcome
from cd4ml.scoring.batch.runners.tasks import OUTCOME, Tasks, tasks, together
from cd4ml.user_code import UserCodeError, user_code
from cd4ml.wording import installs

if TYPE_CHECKING:
    import pyarrow as pa

_PYTHON: Final = "PYSPARK_PYTHON"


def score(job: Job, context: Context) -> Outcome:
    """See Runner.

    Raises:
        UnavailableError: Spark is not installed, or gave up.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise UnavailableError("pyspark is not installed.", advice=installs("warehouse")) from error
    try:
        with user_code():  # Spark has exceptions of its own
            running = SparkSession.getActiveSession()
            session = running or SparkSession.builder.getOrCreate()
            if _PYTHON not in context.environ:  # else workers would take any Python that is on their path
                session.sparkContext.pythonExec = sys.executable
            work = tasks(job, session.sparkContext.defaultParallelism, context)
            numbers = session.range(0, work.count, 1, work.count)
            try:
                found = numbers.mapInArrow(_Each(work=work), f"{OUTCOME} string").collect()
            finally:
                if running is None:
                    session.stop()
    except UserCodeError as error:
        raise UnavailableError(f"Spark gave up: {' '.join(error.raised.text.split())[-400:]}") from error
    return together(row[OUTCOME] for row in found)


@dataclass(frozen=True, kw_only=True)
class _Each:
    """Does what tasks do for each batch of their numbers."""

    work: Tasks

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield how the tasks ended."""
        for batch in batches:
            yield from self.work(batch).to_batches()
