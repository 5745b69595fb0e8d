"""What `cd4ml <command>` runs."""
