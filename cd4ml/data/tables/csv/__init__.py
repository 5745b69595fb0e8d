"""CSV: its text, its types, and files of it."""
