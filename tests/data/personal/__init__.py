"""Personal data in tables."""
