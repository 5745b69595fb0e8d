"""Prediction events: what was asked and answered, for rollouts, experiments and monitoring.

No request waits for them, and no request fails with them.
"""
