"""When drift starts a retraining: the rule, and the platform's memory of earlier windows and requests."""
