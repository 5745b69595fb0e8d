"""Models on the workers of a Ray cluster, or of this machine where none is named, to which Ray Data gives out tasks."""

from __future__ import annotations

from typing import Any

from cd4ml.context import Context
from cd4ml.errors import UnavailableError
from cd4ml.scoring.batch.job import Job, Outcome
from cd4ml.scoring.batch.runners.tasks import OUTCOME, tasks, together
from cd4ml.user_code import UserCodeError, user_code
from cd4ml.wording import installs


def score(job: Job, context: Context) -> Outcome:
    """See Runner.

    Raises:
        UnavailableError: Ray is not installed, or gave up.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UnavailableError("ray is not installed.", advice=installs("ray")) from error
    try:
        with user_code():  # Ray has exceptions of its own
            running = ray.is_initialized()
            if not running:
                ray.init(log_to_driver=False, logging_level="error", **_started(context))
            try:
                found = _outcomes(ray, job, context)
            finally:
                if not running:
                    ray.shutdown()
    except UserCodeError as error:
        raise UnavailableError(f"Ray gave up: {' '.join(error.raised.text.split())[-400:]}") from error
    return together(found)


def _started(context: Context) -> dict[str, Any]:
    """Return how a cluster of this machine's own is started, where the settings name none: nobody else reaches it."""
    named = context.environ.get("RAY_ADDRESS")
    return {} if named else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}


def _outcomes(ray: Any, job: Job, context: Context) -> list[str]:
    """Return how the tasks ended."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    work = tasks(job, int(ray.cluster_resources().get("CPU", 1)), context)
    numbers = ray.data.range(work.count, override_num_blocks=work.count)
    return [row[OUTCOME] for row in numbers.map_batches(work, batch_size=1, batch_format="pyarrow").take_all()]
