"""What a repository that knows nothing of cd4ml holds: pure functions from its files to findings, a module a subject.

A finding is a value and why it is proposed. Nothing here asks, writes or runs anything.
"""
