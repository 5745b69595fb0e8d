"""Tests of what scores large tables."""
