"""Stores that requests wait for, within a budget and behind a breaker: the cache's Redis, the features' store."""
