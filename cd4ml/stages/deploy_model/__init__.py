"""The stage deploy-model."""
