"""What takes a heavy engine to show; `make test-real-engines` runs it."""
