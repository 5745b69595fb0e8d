"""Point estimates and comparisons: pure functions on counts and arrays."""
