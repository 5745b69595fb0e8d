"""Numbers of a split and limits -> checks. Pure."""
