"""How a model treats groups: rates, ratios, differences, errors. Pure."""
