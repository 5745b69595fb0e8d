"""Features of two stores and limits -> checks. Pure."""
