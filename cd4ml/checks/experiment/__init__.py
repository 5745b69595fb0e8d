"""Checks of a controlled experiment."""
