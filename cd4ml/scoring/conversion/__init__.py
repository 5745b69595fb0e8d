"""Models converted to ONNX. `program` and `ask` run in other environments, so nothing is imported here."""
