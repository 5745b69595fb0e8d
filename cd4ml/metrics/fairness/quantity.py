"""What is averaged over the rows of a group, where a model predicts numbers."""

from __future__ import annotations

from enum import StrEnum


class Quantity(StrEnum):
    """What is averaged over a group's rows."""

    ERROR = "error"  # y_pred - y_true
    ABSOLUTE_ERROR = "absolute_error"
