"""Tables, the predictions table and digests."""
