"""The stage score-model."""
