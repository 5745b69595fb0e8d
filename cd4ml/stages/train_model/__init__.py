"""The stage train-model."""
