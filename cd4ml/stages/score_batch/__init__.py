"""The stage score-batch."""
