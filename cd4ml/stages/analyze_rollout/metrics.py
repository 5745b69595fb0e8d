"""Both versions' metrics in Prometheus, put in the place of what events would say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from cd4ml.metrics.rollout import buckets
from cd4ml.metrics.rollout.counting import Counts
from cd4ml.observe.prometheus import Cells, Prometheus, Window

_LATENCY = "cd4ml_request_duration_seconds"
_SCORE = "cd4ml_prediction_score"
_ENTROPY = "cd4ml_prediction_entropy"


def take(
    counts: Counts, server: Prometheus, selectors: Mapping[str, str], since: datetime, until: datetime, *, all_: bool
) -> None:
    """Count what the metrics say: requests, errors, models, latency if no event does; with `all_` predictions.

    Args:
        selectors: role -> labels of its series.

    Raises:
        UnavailableError: the server is out of reach, or answers only in part.
        OptionsError: it refuses a selector.
    """
    # Events know each latency, metrics only its bucket.
    known = all(counts.rows("latency", role) for role in selectors)
    for role, selector in selectors.items():
        window = Window(selector=selector, since=since, until=until)
        requests = _each(server.requests(window), buckets.outcomes)
        found = {"requests": requests, "errors": requests}
        if not known:
            seconds, rows = server.buckets(_LATENCY, window)
            found["latency"] = _each(rows, partial(buckets.latencies, seconds))
        counts.served[role] = server.models(window)
        if all_:
            found["prediction"] = server.classes(window)
            for variable, name in (("score", _SCORE), ("entropy", _ENTROPY)):
                borders, rows = server.buckets(name, window)
                found[variable] = _each(rows, partial(buckets.ordered, borders))
            counts.models[role].update(counts.served[role])
        for variable, minutes in found.items():
            counts.cells.setdefault(variable, {})[role] = minutes


def _each(minutes: Cells, made: Callable[[Mapping[str, float]], dict[str, float]]) -> Cells:
    """Return the cells of every minute, made into others."""
    return {minute: made(cells) for minute, cells in minutes.items()}
