"""The gateway's metrics, from a Prometheus or from what `/metrics` answered once, as what the incidents ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.observe.exposition import Sample, samples
from cd4ml.observe.prometheus import Cells, Prometheus, Window
from cd4ml.reading import missing_file, text_file

DURATION: Final = "cd4ml_request_duration_seconds"
ROWS: Final = "cd4ml_request_rows_sum"
OUTSIDE: Final = "cd4ml_out_of_range_values_total"
RESTARTS: Final = "cd4ml_worker_restarts_total"
READY: Final = "cd4ml_model_ready"
# Of kube-state-metrics.
KILLED: Final = "kube_pod_container_status_last_terminated_reason"
_OUT_OF_MEMORY: Final = "OOMKilled"
_LARGEST: Final = 64_000_000  # bytes


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What the metrics say.

    Attributes:
        place: where they come from.
        seconds: requests by bucket of their duration, each with its upper border, ascending.
        rows: that were predicted.
        outside: rows outside the ranges by feature, 0 included.
        restarts: of workers, by what ended the one before.
        ready: of each gateway, 1 or 0.
        killed: containers whose last end was one for memory, by pod; None where no kube-state-metrics says anything.
    """

    place: str
    seconds: Sequence[tuple[float, float]] = ()
    rows: float = 0.0
    outside: Mapping[str, float]
    restarts: Mapping[str, float]
    ready: Sequence[float] = ()
    killed: Sequence[str] | None = None

    def slower(self, seconds: float) -> tuple[float, float, float] | None:
        """Return how many requests took longer, at least and at most as far as buckets tell, and all; None of none."""
        total = sum(count for _, count in self.seconds)
        if not total:
            return None
        within = next((border for border, _ in self.seconds if border >= seconds), seconds)
        least = sum(count for border, count in self.seconds if border > within)
        return least, sum(count for border, count in self.seconds if border > seconds), total


def from_text(place: str) -> Metrics:
    """Return what a saved answer of `/metrics` says: counters since the gateway began.

    Raises:
        OptionsError: it holds no metrics of the gateway.
        UnavailableError: there is no such file.
    """
    path = Path(place)
    try:
        found = list(samples(text_file(path, most=_LARGEST), place))
    except FileNotFoundError as error:
        raise missing_file(path) from error
    if not any(one.name.startswith("cd4ml_") for one in found):
        raise OptionsError(f"{place} holds no metric of the gateway", advice="Save what its /metrics answers.")
    below = _sums(found, f"{DURATION}_bucket", "le")
    borders = sorted((float(le), count) for le, count in below.items())
    killed = [one for one in found if one.name == KILLED]
    return Metrics(
        place=place,
        seconds=[(border, count - before) for (_, before), (border, count) in pairwise([(0.0, 0.0), *borders])],
        rows=sum(one.value for one in found if one.name == ROWS),
        outside=_sums(found, OUTSIDE, "feature"),
        restarts=_sums(found, RESTARTS, "reason"),
        ready=[one.value for one in found if one.name == READY],
        killed=_pods((one.labels, one.value) for one in killed) if killed else None,
    )


def from_prometheus(server: Prometheus, window: Window, pods: str | None) -> Metrics:
    """Return what a Prometheus says of a window.

    Args:
        pods: labels of the pods' series of kube-state-metrics; None does not ask for them.

    Raises:
        OptionsError: it refuses a selector, or has no metrics of the gateway in the window.
        UnavailableError: it does not answer.
    """
    ready = [value for _, value in server.latest(READY, window)]
    _, requests = server.buckets(DURATION, window)
    if not ready and not requests:
        raise OptionsError(
            f"{server.name} has no metrics of a gateway with {{{window.selector}}} in the window",
            advice="Look at selector and since.",
        )
    killed = None
    if pods:
        state = Window(selector=pods, since=window.since, until=window.until)
        said = server.latest(KILLED, state)
        killed = _pods(said) if said or server.latest("kube_pod_container_info", state) else None
    return Metrics(
        place=server.name,
        seconds=sorted((float(border), count) for border, count in _total(requests).items()),
        rows=sum(_total(server.counted(ROWS, "", window)).values()),
        outside=dict.fromkeys((labels.get("feature", "") for labels, _ in server.latest(OUTSIDE, window)), 0.0)
        | _total(server.counted(OUTSIDE, "feature", window)),
        restarts=_total(server.counted(RESTARTS, "reason", window)),
        ready=ready,
        killed=killed,
    )


def _sums(found: Iterable[Sample], name: str, label: str) -> dict[str, float]:
    """Return the numbers of a metric, added up by the value of a label."""
    sums: dict[str, float] = {}
    for one in found:
        if one.name == name:
            value = one.labels.get(label, "")
            sums[value] = sums.get(value, 0.0) + one.value
    return sums


def _total(cells: Cells) -> dict[str, float]:
    """Return counts of all minutes by cell."""
    sums: dict[str, float] = {}
    for minute in cells.values():
        for cell, count in minute.items():
            sums[cell] = sums.get(cell, 0.0) + count
    return sums


def _pods(series: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    """Return the pods of which kube-state-metrics says that memory ended their container."""
    return sorted(
        {labels.get("pod", "?") for labels, value in series if value and labels.get("reason") == _OUT_OF_MEMORY}
    )
