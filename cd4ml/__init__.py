"""Gates for machine-learning models: six stages, one report, fail closed."""

__version__ = "1.0.0"
