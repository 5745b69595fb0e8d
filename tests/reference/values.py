"""One metric's value by name, as the published tables give it."""

from __future__ import annotations

from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.estimates import estimate
from cd4ml.metrics.performance.metric import Sample


def compute(name: str, sample: Sample) -> float:
    """Return a metric's value."""
    return estimate(METRICS[name], sample).value
