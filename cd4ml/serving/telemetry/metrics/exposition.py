"""What `/metrics` answers: the numbers of all workers, added up, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from cd4ml.serving.telemetry.metrics.board import Board, Page, Series
from cd4ml.serving.telemetry.metrics.families import FAMILIES, MODEL, READY, WORKERS, Family, Kind

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4.encode()
_TYPES: Final[Mapping[Kind, Callable[..., Metric]]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
    Kind.SUMMARY: SummaryMetricFamily,
}


def text(board: Board, *, model: Mapping[str, str | None]) -> bytes:
    """Return the metrics of a board.

    Args:
        model: the labels of `cd4ml_model_info`.
    """
    labels = tuple(model.get(name) or "" for name in MODEL.labels)
    registry = CollectorRegistry()
    registry.register(_Collector(board, labels))
    return generate_latest(registry)


class _Collector(Collector):
    """Collects once, for a registry of its own."""

    def __init__(self, board: Board, model: tuple[str, ...]) -> None:
        self._board, self._model = board, model

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that nothing is collected only to learn what there is."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, in the order of their declaration."""
        sums = _added_up(self._board.pages())
        alive = [page for page in self._board.pages() if page.process]
        sums[MODEL, self._model] = [1.0]
        sums[WORKERS, ()] = [float(len(alive))]
        sums[READY, ()] = [float(self._board.ready)]
        for family in FAMILIES:
            metric = _TYPES[family.kind](family.name, family.help, labels=family.labels)
            for (of, labels), numbers in sums.items():
                if of is family:
                    _add(metric, family, labels, numbers)
            if metric.samples:
                yield metric
        yield from _processes(alive)


def _added_up(pages: Iterable[Page]) -> dict[Series, list[float]]:
    """Return the numbers of each series, over all workers."""
    sums: dict[Series, list[float]] = {}
    for page in pages:
        for series, place in page.series():
            numbers = list(map(float, page.numbers[place : place + series[0].slots]))
            known = sums.get(series)
            sums[series] = numbers if known is None else [one + two for one, two in zip(known, numbers, strict=True)]
    return sums


def _add(metric: Metric, family: Family, labels: tuple[str, ...], numbers: list[float]) -> None:
    """Add a series to its metric."""
    if isinstance(metric, HistogramMetricFamily):
        counts = accumulate(numbers[:-1])
        bounds = [*map(floatToGoString, family.buckets), "+Inf"]
        metric.add_metric(labels, list(zip(bounds, counts, strict=True)), sum_value=numbers[-1])
    elif isinstance(metric, SummaryMetricFamily):
        metric.add_metric(labels, count_value=int(numbers[0]), sum_value=numbers[1])
    elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily):
        metric.add_metric(labels, numbers[0])


def _processes(pages: Iterable[Page]) -> Iterator[Metric]:
    """Yield Prometheus' metrics of processes, for each worker."""
    together: dict[str, Metric] = {}
    for page in pages:
        process = page.process
        for metric in ProcessCollector(pid=partial(int, process), registry=None).collect():
            known = together.setdefault(metric.name, metric)
            samples = [sample._replace(labels={"worker": str(page.worker)}) for sample in metric.samples]
            known.samples = samples if known is metric else [*known.samples, *samples]
    yield from together.values()
