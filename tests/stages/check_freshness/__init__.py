"""Tests of check-freshness."""
