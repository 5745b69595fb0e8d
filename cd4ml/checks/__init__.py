"""Numbers and limits -> checks: pure functions."""
