"""Where events come from, batch by batch, and how far they were read."""
