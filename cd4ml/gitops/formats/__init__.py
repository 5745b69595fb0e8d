"""The formats of a manifest: each finds the applications that a file serves, and says what the file gives them."""
