"""Checks of code."""
