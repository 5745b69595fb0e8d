"""What a running service says of itself: its prediction events, and its metrics in Prometheus."""
