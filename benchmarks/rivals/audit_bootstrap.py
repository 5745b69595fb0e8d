"""The intervals of evaluate-model and audit-fairness by the bootstraps of fairlearn or of scikit-learn users.

python audit_bootstrap.py fairlearn|scikit-learn TABLE ROWS DRAWS
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from fairlearn.metrics import (
    MetricFrame,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, log_loss, precision_score, roc_auc_score


def with_fairlearn(table: pd.DataFrame, draws: int) -> None:
    """Compute every rate of the eight groups, their ratios and differences, with fairlearn's own bootstrap."""
    frame = MetricFrame(
        metrics={
            "selection_rate": selection_rate,
            "true_positive_rate": true_positive_rate,
            "false_positive_rate": false_positive_rate,
            "false_negative_rate": false_negative_rate,
            "precision": precision_score,
        },
        y_true=table["y_true"],
        y_pred=table["y_pred"],
        sensitive_features=table[["sex", "race"]],
        n_boot=draws,
        ci_quantiles=[0.025, 0.5, 0.975],
        random_state=0,
    )
    print(frame.by_group_ci, frame.ratio_ci(), frame.difference_ci())


def with_scikit_learn(table: pd.DataFrame, draws: int) -> None:
    """Draw rows, and compute the metrics of both models on the same ones."""
    columns = {name: table[name].to_numpy() for name in table.columns}
    generator, found = np.random.default_rng(0), []
    for _ in range(draws):
        rows = generator.integers(0, len(table), len(table))
        true = columns["y_true"][rows]
        for model in ("", "production_"):
            decided, score = columns[f"{model}y_pred"][rows], columns[f"{model}y_score"][rows]
            found.append(
                [
                    accuracy_score(true, decided),
                    f1_score(true, decided),
                    roc_auc_score(true, score),
                    log_loss(true, score),
                    brier_score_loss(true, score),
                ]
            )
    print(np.quantile(found, [0.025, 0.975], axis=0))


if __name__ == "__main__":
    which, path, rows, draws = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    table = pq.ParquetFile(path).read().to_pandas().head(rows)
    (with_fairlearn if which == "fairlearn" else with_scikit_learn)(table, draws)
