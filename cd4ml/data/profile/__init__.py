"""The reference profile that drift is measured from, and the counts it consists of."""
