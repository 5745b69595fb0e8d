"""A run's reports as one HTML file that needs nothing beside it: no script, no font, no picture from elsewhere."""
