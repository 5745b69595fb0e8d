"""Tests of the stage score-batch."""
