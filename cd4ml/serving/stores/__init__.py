"""Stores that a request waits for, within a budget and behind a breaker: the cache's Redis, and the store of features."""
