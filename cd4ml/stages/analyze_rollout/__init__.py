"""The stage analyze-rollout."""
