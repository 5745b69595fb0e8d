"""Prometheus metrics: declared in `families`, counted in shared memory, written out when somebody scrapes."""
