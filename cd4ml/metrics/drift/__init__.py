"""How far data and performance have moved. Pure."""
