"""What plain Kubernetes objects say: which pods run, how many, and what sends them requests."""
