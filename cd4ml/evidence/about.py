"""What the report of a stage is evidence of."""

from __future__ import annotations

from enum import StrEnum


class About(StrEnum):
    """What a stage looked at: its verdict holds for exactly this and for nothing else."""

    COMMIT = "commit"
    MODEL = "model"
