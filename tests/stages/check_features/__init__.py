"""Tests of check-features."""
