"""CSV: its text, its types, and the table that they make."""
