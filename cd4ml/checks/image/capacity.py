"""Whether the image fits the pod that it is made for: its memory; pure decisions on what was seen."""

from __future__ import annotations

from typing import Final

from cd4ml.image.capacity import Load
from cd4ml.report import Bound, Check, Status

_MIB: Final = 1024 * 1024
_ID: Final = "fits-in-memory"


def memory_check(load: Load, *, limit: int) -> Check:
    """Decide on the memory under the largest requests.

    Args:
        limit: bytes that the pod may have.
    """
    if load.status != 200:
        return Check(
            id=_ID,
            status=Status.FAILED,
            message=f"The gateway answered {load.status or 'nothing'} under the largest requests ({load.rows:,} rows).",
            reason="not-answered",
            advice="Look at the model's memory and time for many rows: one request may hold this many.",
        )
    if load.peak_bytes <= 0:
        return Check(
            id=_ID,
            status=Status.INCONCLUSIVE,
            message="The memory of the gateway's processes could not be read.",
            reason="not-measured",
            advice="Build with docker or podman, whose containers show their own processes.",
        )
    fits = load.peak_bytes <= limit
    peak, most = load.peak_bytes / _MIB, limit / _MIB
    return Check(
        id=_ID,
        status=Status.PASSED if fits else Status.FAILED,
        message=f"{peak:,.0f} MiB at most under the largest requests ({load.rows:,} rows each), of {most:,.0f} MiB.",
        reason=None if fits else "too-much-memory",
        advice=None if fits else "Raise the pods' memory limit (the chart's resources.limits.memory) and pod-memory.",
        metric="peak-memory-mib",
        value=round(peak, 1),
        limit=round(most, 1),
        bound=Bound.AT_MOST,
        option=("pod-memory",),
    )
