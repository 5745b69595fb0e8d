"""Features of entities, as a table has them: at which moment they held, and the latest of each entity."""
