"""Byte-exact edits of manifests, and pushes that lose no race and overwrite nobody."""
