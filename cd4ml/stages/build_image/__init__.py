"""The stage build-image."""
