"""Tests of the stage check-split."""
