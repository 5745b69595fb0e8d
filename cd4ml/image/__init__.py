"""Building the serving image, calling it, scanning it and pushing it by digest."""
