"""Checks of how models were scored."""
