"""Numbers of a controlled experiment: how units were assigned, effects with their uncertainty, how they are read."""
