"""Checks of how well a model predicts."""
