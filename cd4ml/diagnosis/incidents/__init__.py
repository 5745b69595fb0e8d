"""The incidents of model serving: what tells each of them, a module for each, and what they are told from."""
