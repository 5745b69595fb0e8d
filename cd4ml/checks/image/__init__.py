"""Checks of the image and of the model in it."""
