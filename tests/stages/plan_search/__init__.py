"""Tests of the stage plan-search."""
