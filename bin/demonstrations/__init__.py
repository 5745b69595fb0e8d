"""What the demonstrations `bin/demo` and `bin/demo-loop` are made of."""
