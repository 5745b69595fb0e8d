"""Whether the image fits the pod that it is made for: its memory, its latency; pure decisions on what was seen."""

from __future__ import annotations

from typing import Final

from cd4ml.image.capacity import Load
from cd4ml.report import Bound, Check, Status

_MIB: Final = 1024 * 1024
_ID: Final = "fits-in-memory"
_LATENCY: Final = "latency"


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


def latency_check(load: Load | None, *, limit: float) -> Check:
    """Decide on the 99th percentile of the latency of one row.

    Args:
        load: None if no row was sent.
        limit: milliseconds.
    """
    p99 = load.quantile(0.99) if load else None
    if load is None or p99 is None or load.single_status != 200:
        problem, advice = _unanswered(load)
        return Check(
            id=_LATENCY,
            status=Status.FAILED,
            message=f"The latency could not be measured: {problem}.",
            reason="not-answered",
            advice=advice,
        )
    milliseconds = round(1000 * p99, 2)
    fits = milliseconds <= limit
    return Check(
        id=_LATENCY,
        status=Status.PASSED if fits else Status.FAILED,
        message=f"p99 of {milliseconds:,.2f} ms for one row at {load.per_second:g} requests a second, of {limit:g} ms.",
        reason=None if fits else "too-slow",
        advice=None if fits else "Take a faster model or runtime, or raise maximum-p99-ms; a busy machine is slower.",
        metric="p99-ms",
        value=milliseconds,
        limit=limit,
        bound=Bound.AT_MOST,
        n=len(load.latencies),
        option=("maximum-p99-ms",),
    )


def _unanswered(load: Load | None) -> tuple[str, str]:
    """Return why there is no latency, and what to do about it."""
    if load is None:
        return "no row was sent", "Look at becomes-ready and predictions-match."
    if load.single_status is None:
        return (
            f"the gateway answered {load.status or 'nothing'} to the largest requests, which come first",
            "Look at fits-in-memory.",
        )
    return (
        f"the gateway answered {load.single_status or 'nothing'} to a request of one row",
        "Lower latency-rate if it is beyond what one pod can answer.",
    )
