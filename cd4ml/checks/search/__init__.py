"""Checks of a search of hyper-parameters."""
