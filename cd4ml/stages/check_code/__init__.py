"""The stage check-code."""
