"""Features as two stores have them, compared value by value. Pure."""
