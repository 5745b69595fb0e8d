"""The stage audit-fairness."""
