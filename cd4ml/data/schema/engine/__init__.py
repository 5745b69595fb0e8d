"""The one-pass audit engine: what a schema demands is proven from metadata and bounds, counted, or left to pandera."""
