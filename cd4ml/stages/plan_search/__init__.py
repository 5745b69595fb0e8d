"""The stage plan-search."""
