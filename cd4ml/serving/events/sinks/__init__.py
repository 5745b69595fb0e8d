"""Where events go: a module for each kind of place."""
