"""Gates for machine-learning models: a stage for each question, one report, fail closed."""

__version__ = "1.0.0"
