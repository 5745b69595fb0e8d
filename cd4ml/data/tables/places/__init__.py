"""Where tables are: addresses, and pins of DVC."""
