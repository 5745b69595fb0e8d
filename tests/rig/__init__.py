"""A release judged step by step by real controllers on a real API server: run by `make test-rig` alone."""
