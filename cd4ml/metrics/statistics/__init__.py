"""Intervals and tests that know nothing of models. Pure."""
