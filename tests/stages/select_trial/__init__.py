"""Tests of the stage select-trial."""
