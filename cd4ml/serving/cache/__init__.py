"""Predictions kept in Redis: a row that was answered before is answered without the model.

Redis is never trusted and never waited for long: what it returns is checked, and slow, full, read-only or gone it costs
a request nothing but the prediction that it would have spared.
"""
