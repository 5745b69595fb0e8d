"""The differences between groups that a limit may be set on: one row for each, by the name of its check.

The option that sets the limit is `maximum-<name>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cd4ml.metrics.fairness.quantity import Quantity
from cd4ml.metrics.fairness.rates import PRECISION, SELECTION_RATE

# Of decisions: the rates whose range between the groups is limited.
DIFFERENCES: Final[Mapping[str, tuple[str, ...]]] = {
    "demographic-parity-difference": (SELECTION_RATE,),
    "equalized-odds-difference": ("true_positive_rate", "false_positive_rate"),
    "equal-opportunity-difference": ("true_positive_rate",),
    "false-positive-rate-difference": ("false_positive_rate",),
    "false-negative-rate-difference": ("false_negative_rate",),
    "precision-difference": (PRECISION,),
}
# Of predicted numbers: what is averaged.
ERROR_DIFFERENCES: Final[Mapping[str, Quantity]] = {
    "mean-error-difference": Quantity.ERROR,
    "absolute-error-difference": Quantity.ABSOLUTE_ERROR,
}
