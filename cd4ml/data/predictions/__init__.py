"""The predictions table: labels, decisions, scores and groups."""
