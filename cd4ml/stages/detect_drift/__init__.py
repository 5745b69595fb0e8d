"""The stage detect-drift."""
