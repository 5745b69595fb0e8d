"""Models to score with."""

from __future__ import annotations

from tests.scoring.conftest import coded, saved

__all__ = ["coded", "saved"]
