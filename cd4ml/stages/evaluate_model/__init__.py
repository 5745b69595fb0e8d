"""The stage evaluate-model."""
