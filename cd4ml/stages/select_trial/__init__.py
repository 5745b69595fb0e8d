"""The stage select-trial."""
