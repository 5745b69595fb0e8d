"""When a table is due, and how likely the run that writes it is to be late. Pure."""
