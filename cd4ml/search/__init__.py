"""The search of hyper-parameters: its plan, the folds, what each trial scored, and which trial is the best."""
