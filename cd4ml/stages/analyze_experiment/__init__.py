"""The stage analyze-experiment."""
