"""A router before several gateways: sticky shares of the users for each track, and copies for a shadow.

For places without a mesh or a Gateway API controller, which do the same by weight; those know no users.
"""
