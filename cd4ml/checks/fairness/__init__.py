"""Checks of how a model treats groups."""
