"""What the worker is told: the options of the command, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cd4ml.stages.detect_drift.options import Options as DriftOptions
from cd4ml.stages.request_retraining.options import Options as RetrainingOptions


class Judged(Protocol):
    """A window that was judged."""

    @property
    def drifted(self) -> bool | None:
        """Whether it drifted, None if no verdict was reached."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is watched, and how.

    Attributes:
        events: places.
        seconds, lateness: of a window.
        tracks: whose events are counted.
        schema: that each value is held against, None if none.
        positive_label, minimum_accuracy: of the estimate of performance.
        labels: places of labels that come later.
        label_wait: seconds after the end of a window for which its labels are waited for.
        awaited: how many predictions wait for theirs.
        remembered: how many ids of events.
        state: file that holds what was counted.
        drift: the stage's options, as the configuration has them.
        retraining: of the stage that asks for it, None if nobody is to be asked.
    """

    events: Sequence[str]
    seconds: int
    lateness: int
    tracks: tuple[str, ...]
    schema: str | None
    maximum_broken: float
    maximum_unreadable: float
    positive_label: str | None
    minimum_accuracy: float | None
    labels: Sequence[str]
    label_wait: int
    awaited: int
    remembered: int
    state: str
    drift: DriftOptions
    retraining: RetrainingOptions | None = None
