"""The stage validate-data."""
