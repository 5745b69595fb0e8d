"""Sets of labels in the predictions table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.stages.evaluate_model.conftest import Evaluate

LIMITS = (
    *("--task", "multilabel", "--minimum", "accuracy=0.3,f1-micro=0.5,f1-macro=0.5", "--maximum", "hamming-loss=0.3"),
    *("--not-significantly-worse", "accuracy,f1-micro,f1-macro,hamming-loss"),
)


def tagged(n: int = 400, *, wrong: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Return sets of three labels, written in any order, decided wrongly at a rate; production's rate is 0.12."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < 0.4
    tables = {"y_true": truth}
    for name, rate in (("y_pred", wrong), ("production_y_pred", 0.12)):
        tables[name] = truth ^ (rng.random((n, 3)) < rate)
    names = np.array(["sport", "art", "news"])
    return pd.DataFrame({name: ["; ".join(names[row]) or ";" for row in table] for name, table in tables.items()})


def test_sets__judged_with_intervals(evaluate: Evaluate) -> None:
    """Sets are compared as sets; every metric has its interval, and the report counts the labels."""
    frame = tagged()
    run = evaluate(frame, *LIMITS)
    turned = frame.assign(y_pred=[" ;".join(reversed(text.split("; "))) for text in frame["y_pred"]])

    assert (run.code, run.report["status"]) == (0, "passed")
    assert run.report["details"]["label_counts"].keys() == {"art", "news", "sport"}
    assert all(run.report["metrics"]["intervals"].values())
    assert evaluate(turned, *LIMITS).report["metrics"] == run.report["metrics"]


@pytest.mark.parametrize("metric", ["accuracy", "f1-micro", "f1-macro", "hamming-loss"])
def test_worse_sets__failed(evaluate: Evaluate, metric: str) -> None:
    """A model that decides more labels wrongly is shown to be worse, by each metric."""
    run = evaluate(tagged(wrong=0.25), "--task", "multilabel", "--not-significantly-worse", metric)

    assert run.code == 1
    assert next(c for c in run.report["checks"] if c["id"] == f"regression:{metric}")["reason"] == "significantly-worse"
