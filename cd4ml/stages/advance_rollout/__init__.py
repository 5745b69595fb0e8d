"""The stage advance-rollout."""
