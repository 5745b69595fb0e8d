"""What bin/generate.py writes: one module for each kind of text that is derived from the code."""
