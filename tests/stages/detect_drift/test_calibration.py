"""The promises of detect-drift hold in simulation; `benchmarks/drift_calibration.py` measures them in full."""

from __future__ import annotations

from benchmarks.drift_calibration import simulate


def test_promises__hold() -> None:
    """Without drift few runs alarm (100 and 10,000 rows), 0.3 sigma always does, and 0.049 sigma never blocks."""
    outcomes = list(simulate([100, 10_000], 60))

    assert len(outcomes) == 6
    assert [outcome for outcome in outcomes if not outcome.kept] == []
