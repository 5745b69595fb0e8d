"""Tests of the stage run-trial."""
