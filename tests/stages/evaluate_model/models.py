"""Pairs of models on the same rows, of known quality."""

from __future__ import annotations

import numpy as np
import pandas as pd


def pair(
    n: int, *, loss: float = 0.0, prevalence: float = 0.3, seed: int = 0, levels: int | None = None
) -> pd.DataFrame:
    """Return predictions of a candidate and of production with correlated scores.

    Args:
        loss: how much closer the candidate's classes lie to each other, in standard deviations: 0.1 costs 0.02 of AUC.
        levels: number of different scores, None for continuous ones.
    """
    rng = np.random.default_rng(seed)
    y_true = (rng.random(n) < prevalence).astype(int)
    shared = rng.normal(size=n)
    columns: dict[str, object] = {"y_true": y_true}
    for prefix, quality in (("", 1.2 - loss), ("production_", 1.2)):
        raw = quality * y_true + np.sqrt(0.9) * shared + np.sqrt(0.1) * rng.normal(size=n)
        score = 1 / (1 + np.exp(-(quality * raw - quality**2 / 2 + np.log(prevalence / (1 - prevalence)))))
        columns[f"{prefix}y_pred"] = (raw > 0.8).astype(int)
        columns[f"{prefix}y_score"] = score if levels is None else (np.floor(score * levels) + 0.5) / levels
    return pd.DataFrame(columns)
