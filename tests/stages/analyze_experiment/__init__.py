"""Tests of analyze-experiment."""
