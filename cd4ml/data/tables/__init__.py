"""Tables: `opening.open_table` is the one door to them, whatever they are stored in and wherever they are."""
