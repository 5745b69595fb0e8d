"""The stage promote-model."""
