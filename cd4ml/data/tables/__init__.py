"""Tables, however they are stored: CSV, Parquet, Arrow, Delta, behind DVC pointers and at addresses."""
