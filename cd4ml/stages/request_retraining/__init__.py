"""The stage request-retraining."""
