"""The stage verify-evidence."""
