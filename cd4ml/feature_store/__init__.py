"""The online store of features, as a Redis holds it: what writes features and what reads them agree on here."""
