"""pandera schemas: loaded, proposed, and held against tables."""
