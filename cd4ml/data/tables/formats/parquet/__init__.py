"""Parquet: a file or a folder of files, their common types, and what they expand to."""
