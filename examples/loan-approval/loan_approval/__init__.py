"""A lender's model of mortgage decisions."""
