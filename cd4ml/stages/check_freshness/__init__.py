"""The stage check-freshness."""
