"""Checks of what is delivered."""
