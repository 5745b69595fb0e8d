"""A model over a table of any size. `answering` runs in the model's environment, so nothing is imported here."""
