"""Buckets of a histogram of Prometheus as cells, which are what a rollout is decided on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cd4ml.metrics.rollout.variables import ANSWERED, FAILED, REFUSED, latency_borders


def outcomes(statuses: Mapping[str, float]) -> dict[str, float]:
    """Return requests by what came of them, from requests by HTTP status."""
    found = {ANSWERED: 0.0, REFUSED: 0.0, FAILED: 0.0}
    for status, rows in statuses.items():
        # A status that is no number was not one that a client would take for an answer.
        code = int(status) if status.isdecimal() else 599
        found[FAILED if code >= 500 else REFUSED if code >= 400 else ANSWERED] += rows
    return found


def latencies(seconds: Sequence[float], rows: Mapping[str, float]) -> dict[str, float]:
    """Return requests by cell of latency: those of a bucket in the first cell of its time, the others of it empty.

    Where in its bucket a request lies is not known: that the borders of all buckets are there, of empty ones too, keeps
    every bound of a quantile on a bucket's border.

    Args:
        seconds: upper borders of the buckets, ascending; the last may be infinite.
        rows: by border, as text.
    """
    borders = latency_borders()
    found = {len(borders) - 2: 0.0}
    low = 0.0
    for border in seconds:
        cell = min(int(np.searchsorted(borders, 1000 * low, side="right")) - 1, len(borders) - 2) if low else 0
        found[cell] = found.get(cell, 0.0) + rows.get(repr(border), 0.0)
        low = border
        if not math.isinf(border):
            found.setdefault(int(np.searchsorted(borders, 1000 * border, side="right")) - 1, 0.0)
    return {f"{cell:04d}": number for cell, number in sorted(found.items())}


def ordered(borders: Sequence[float], rows: Mapping[str, float]) -> dict[str, float]:
    """Return rows by bucket, named so that they sort."""
    return {f"{place:04d}": rows[repr(border)] for place, border in enumerate(borders) if rows.get(repr(border))}
