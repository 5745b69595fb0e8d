"""Tests of features as tables have them."""
