"""Models on the workers of a Spark session: each task starts the kernel once, and scores parts that lie side by side.

Spark gives out the numbers of the parts (`mapInArrow`); the rows, the model's environment and the staged parts are on
file systems that all workers see.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.context import Context
from cd4ml.errors import Cd4mlError, UnavailableError
from cd4ml.scoring.batch.job import Job, Outcome
from cd4ml.scoring.batch.runners import local
from cd4ml.scoring.sandbox import Isolation
from cd4ml.user_code import UserCodeError, user_code
from cd4ml.wording import installs

if TYPE_CHECKING:
    import pyarrow as pa

_RESULT: Final = "outcome string"
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
            tasks = min(session.sparkContext.defaultParallelism, len(job.missing))
            work = _Work(job=job, tasks=tasks, directory=context.directory, environ=dict(context.environ))
            try:
                found = session.range(0, tasks, 1, tasks).mapInArrow(work, _RESULT).collect()
            finally:
                if running is None:
                    session.stop()
    except UserCodeError as error:
        raise UnavailableError(f"Spark gave up: {' '.join(error.raised.text.split())[-400:]}") from error
    return _together([json.loads(row.outcome) for row in found])


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What a task does.

    Attributes:
        tasks: among how many the parts are divided.
    """

    job: Job
    tasks: int
    directory: Path
    environ: Mapping[str, str]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score the parts of the tasks whose numbers come, and yield how that ended."""
        import pyarrow as pa

        for batch in batches:
            told = [json.dumps(self._scored(number)) for number in batch.column(0).to_pylist()]
            yield pa.RecordBatch.from_pydict({"outcome": told})

    def _scored(self, task: int) -> dict[str, Any]:
        """Return how the parts of a task were scored."""
        missing = list(self.job.missing)
        first, last = (len(missing) * place // self.tasks for place in (task, task + 1))
        context = Context(directory=self.directory, environ=self.environ)
        mine = replace(self.job, missing=missing[first:last])
        try:
            outcome = local.score(mine, context, room=f"model-{task}")
        except Cd4mlError as error:
            return {"problem": str(error)}
        assert outcome.isolation is not None
        return {
            "problem": outcome.problem,
            "held": {name: list(how) for name, how in outcome.isolation.held.items()},
            "missing": dict(outcome.isolation.missing),
        }


def _together(told: list[dict[str, Any]]) -> Outcome:
    """Return how all tasks ended: what one of them lacks was lacking."""
    problems = [one["problem"] for one in told if one["problem"]]
    missing = {name: why for one in told for name, why in one.get("missing", {}).items()}
    held = {name: how for one in told for name, how in one.get("held", {}).items() if name not in missing}
    return Outcome(isolation=Isolation(held=held, missing=missing), problem=problems[0] if problems else None)
