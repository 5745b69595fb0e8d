"""Checks of drift."""
