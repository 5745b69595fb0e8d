"""The stage check-split."""
