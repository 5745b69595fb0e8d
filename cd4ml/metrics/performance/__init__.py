"""How well a model predicts: metrics, their intervals, comparisons, slices. Pure."""
