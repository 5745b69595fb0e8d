"""Numbers on how a model's answers move when its rows are changed."""
