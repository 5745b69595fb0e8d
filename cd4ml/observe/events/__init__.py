"""Prediction events from wherever they lie, in parts: see `docs/prediction-events.md`."""
