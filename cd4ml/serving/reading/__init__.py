"""From the bytes of a request to a batch, or to what is wrong with them."""
