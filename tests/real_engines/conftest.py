"""Models to score with."""

from __future__ import annotations

from tests.scoring.conftest import coded, saved
from tests.serving.conftest import loan_model

__all__ = ["coded", "loan_model", "saved"]
