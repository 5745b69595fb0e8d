"""Personal data in tables: which kinds there are, where they are, and how values of such kinds are hidden."""
