"""Models to score, and rows to score them on."""

from __future__ import annotations

from tests.scoring.conftest import coded, saved, score, test_data, unpickled

__all__ = ["coded", "saved", "score", "test_data", "unpickled"]
