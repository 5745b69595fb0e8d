"""Report -> text. Pure functions; every text from data is escaped for the place where it will stand."""
