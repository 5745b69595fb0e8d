"""What the gateway tells its operators: log lines, traces and metrics, for a few microseconds a request."""
