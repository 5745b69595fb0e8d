"""What a caller can set: declared once, read from arguments, environment and `cd4ml.yaml`."""
