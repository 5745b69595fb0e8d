"""What the running image needs: memory under the largest requests that it takes, time to become ready, latency."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from cd4ml.errors import OptionsError

# What the gateway takes at most, and how many requests it predicts at once.
LARGEST_ROWS: Final = 1000
LARGEST_BYTES: Final = 1024 * 1024
AT_ONCE: Final = 4
# Requests of one row for the latency: what is reported rests on few, what is held to a limit on as many as a 99th
# percentile needs.
_FEW: Final = 100
_ENOUGH: Final = 500
_SECONDS: Final = 5

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(Ki|Mi|Gi|Ti|k|M|G|T)?")
_FACTORS: Final[Mapping[str, int]] = {
    "": 1,
    **{prefix: 1000**power for power, prefix in enumerate("kMGT", start=1)},
    **{f"{prefix}i": 1024**power for power, prefix in enumerate("KMGT", start=1)},
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came of the largest requests, several at once, and of single rows after them.

    Attributes:
        status: HTTP status of the answers to the largest requests; the first other than 200 if there was one.
        single_status: that of the requests of one row, None if none was sent.
        rows: rows of each of the largest requests.
        peak_bytes: largest resident memory of the gateway's processes, added up; 0 if it could not be read.
        latencies: seconds of each request of one row, sorted.
        per_second: rate of those requests.
    """

    status: int
    rows: int
    peak_bytes: int
    single_status: int | None
    latencies: Sequence[float]
    per_second: float = 50.0

    def quantile(self, share: float) -> float | None:
        """Return the latency that this share of requests does not exceed, None if no row was sent."""
        if not self.latencies:
            return None
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def requests_of(per_second: float, *, limited: bool) -> int:
    """Return how many requests of one row are sent at a rate, where their latency is held to a limit or not."""
    return max(_ENOUGH, int(_SECONDS * per_second)) if limited else _FEW


def bytes_of(text: str, name: str) -> int:
    """Return the bytes of a quantity as Kubernetes writes it: `512Mi`, `1.5Gi`, `800M`.

    Raises:
        OptionsError: it is none, or zero.
    """
    matched = _QUANTITY.fullmatch(text)
    size = Fraction(matched[1]) * _FACTORS[matched[2] or ""] if matched else Fraction(0)
    if size < 1:
        raise OptionsError(f"{name}: expected an amount of memory such as 512Mi or 1.5Gi, not {text[:40]!r}")
    return int(size)


def largest_request(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the largest request that the gateway takes, made of the longest of these rows."""
    longest = max(rows, key=_length)
    # The braces around the rows, and a comma after each.
    fits = (LARGEST_BYTES - 20) // (_length(longest) + 1)
    return [longest] * max(1, min(LARGEST_ROWS, fits))


def _length(row: Mapping[str, Any]) -> int:
    """Return the bytes of a row as the probe sends it."""
    return len(json.dumps(row, allow_nan=False).encode()) + 1
