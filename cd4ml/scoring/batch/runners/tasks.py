"""The parts of a job divided among tasks of an engine: each starts the kernel once, and scores parts in a row.

The engine gives out the numbers of the tasks; the rows, the model's environment and the staged parts are on file
systems that all workers see.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.context import Context
from cd4ml.errors import Cd4mlError
from cd4ml.scoring.batch.job import Job, Outcome
from cd4ml.scoring.batch.runners import local
from cd4ml.scoring.sandbox import Isolation

if TYPE_CHECKING:
    import pyarrow as pa

OUTCOME: Final = "outcome"


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """What the workers do.

    Attributes:
        count: among how many tasks the parts are divided.
    """

    job: Job
    count: int
    directory: Path
    environ: Mapping[str, str]

    def __call__(self, numbers: pa.Table | pa.RecordBatch) -> pa.Table:
        """Score the parts of tasks, whose numbers are the first column, and return how that ended."""
        import pyarrow as pa

        return pa.table({OUTCOME: [json.dumps(self._scored(number)) for number in numbers.column(0).to_pylist()]})

    def _scored(self, task: int) -> dict[str, Any]:
        """Return how the parts of a task were scored."""
        missing = list(self.job.missing)
        first, last = (len(missing) * place // self.count for place in (task, task + 1))
        context = Context(directory=self.directory, environ=self.environ)
        mine = replace(self.job, missing=missing[first:last])
        try:
            outcome = local.score(mine, context)
        except Cd4mlError as error:
            return {"problem": str(error)}
        assert outcome.isolation is not None
        return {
            "problem": outcome.problem,
            "unequal": outcome.unequal,
            "held": {name: list(how) for name, how in outcome.isolation.held.items()},
            "missing": dict(outcome.isolation.missing),
        }


def tasks(job: Job, workers: int, context: Context) -> Tasks:
    """Return a task for each worker, or for each part if there are fewer."""
    count = min(max(1, workers), len(job.missing))
    return Tasks(job=job, count=count, directory=context.directory, environ=dict(context.environ))


def together(outcomes: Iterable[str]) -> Outcome:
    """Return how all tasks ended: what one of them lacks was lacking."""
    told = [json.loads(outcome) for outcome in outcomes]
    problems = [one["problem"] for one in told if one["problem"]]
    missing = {name: why for one in told for name, why in one.get("missing", {}).items()}
    held = {name: how for one in told for name, how in one.get("held", {}).items() if name not in missing}
    return Outcome(
        isolation=Isolation(held=held, missing=missing),
        problem=problems[0] if problems else None,
        unequal=any(one.get("unequal") for one in told),
    )
