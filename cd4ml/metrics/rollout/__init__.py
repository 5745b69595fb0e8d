"""How a canary differs from the stable version, from counts, at every look. Pure."""
