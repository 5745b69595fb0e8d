"""Stamps of tables, deadlines and limits -> checks. Pure."""
