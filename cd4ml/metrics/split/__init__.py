"""Whether a split can be believed: overlap, leakage and the contract between both parts, as numbers. Pure."""
