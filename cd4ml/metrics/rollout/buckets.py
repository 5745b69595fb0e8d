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
    """Return requests by cell of latency: within a bucket they are taken to be spread evenly, as Prometheus does.

    Args:
        seconds: upper borders of the buckets, ascending; the last may be infinite.
        rows: by border, as text.
    """
    borders = latency_borders()
    found = np.zeros(len(borders) - 1)
    low = 0.0
    for border in seconds:
        high = 1000 * border
        if math.isinf(high):
            found[-1] += rows.get(repr(border), 0.0)
        else:
            inside = np.clip(np.minimum(borders[1:], high) - np.maximum(borders[:-1], low), 0.0, None)
            if inside.sum() > 0:
                found += rows.get(repr(border), 0.0) * inside / inside.sum()
        low = high
    return {f"{cell:04d}": float(found[cell]) for cell in np.flatnonzero(found)}


def ordered(borders: Sequence[float], rows: Mapping[str, float]) -> dict[str, float]:
    """Return rows by bucket, named so that they sort."""
    return {f"{place:04d}": rows[repr(border)] for place, border in enumerate(borders) if rows.get(repr(border))}
