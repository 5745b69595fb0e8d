"""The stage run-trial."""
