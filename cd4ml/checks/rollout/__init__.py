"""What a canary changes, and limits -> whether the rollout goes on. Pure."""
