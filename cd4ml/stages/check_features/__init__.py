"""The stage check-features."""
