"""What evaluate-model's numbers cost, against scikit-learn and a bootstrap of rows, in one run on the same rows.

    python benchmarks/evaluate.py [--rows 1000000] [--draws 3]

Each contender runs in a process of its own, which reports its time and the most memory it held, the rows and the
libraries included. The bootstrap of rows is timed on a few draws and multiplied: nobody waits for a thousand.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cd4ml.metrics.performance.catalogue import METRICS  # noqa: E402
from cd4ml.metrics.performance.metric import Sample, Task  # noqa: E402

SHOWN: Final = 1_000


def rows(n: int) -> tuple[Sample, Sample]:
    """Return two correlated models on the same rows."""
    generator = np.random.default_rng(0)
    y_true = (generator.random(n) < 0.3).astype(np.int8)
    shared, models = generator.normal(size=n), []
    for _ in range(2):
        raw = 1.2 * y_true + 0.95 * shared + 0.31 * generator.normal(size=n)
        models.append(Sample(y_true=y_true, y_pred=(raw > 0.8).astype(np.int8), y_score=1 / (1 + np.exp(0.8 - raw))))
    return models[0], models[1]


def with_cd4ml(pair: tuple[Sample, Sample], draws: int) -> float:
    """Compute ROC AUC, F1 and log loss of both models, with intervals and comparisons."""
    from cd4ml.metrics.performance.evaluation import evaluate

    metrics = [METRICS[name] for name in ("roc-auc", "f1", "log-loss")]
    evaluate(metrics, *pair, task=Task.BINARY, seed=0)
    return 1.0


def _points(sample: Sample) -> tuple[float, float, float]:
    """Return ROC AUC, F1 and log loss by scikit-learn."""
    from sklearn.metrics import f1_score, log_loss, roc_auc_score

    return (
        float(roc_auc_score(sample.y_true, sample.y_score)),
        float(f1_score(sample.y_true, sample.y_pred)),
        float(log_loss(sample.y_true, sample.y_score)),
    )


def with_scikit_learn(pair: tuple[Sample, Sample], draws: int) -> float:
    """Compute the same values without any interval."""
    for sample in pair:
        _points(sample)
    return 1.0


def with_bootstrap(pair: tuple[Sample, Sample], draws: int) -> float:
    """Draw rows and compute the same values by scikit-learn; return what the time has to be multiplied with."""
    generator, n = np.random.default_rng(1), len(pair[0].y_true)
    for _ in range(draws):
        chosen = generator.integers(0, n, n)
        for sample in pair:
            _points(sample.rows(chosen))
    return SHOWN / draws


CONTENDERS: Final[dict[str, Callable[[tuple[Sample, Sample], int], float]]] = {
    "cd4ml: values, intervals, comparisons": with_cd4ml,
    "scikit-learn: values alone": with_scikit_learn,
    f"scikit-learn: bootstrap of {SHOWN:,} draws": with_bootstrap,
}


def run(name: str, n: int, draws: int) -> None:
    """Run one contender and print what it cost."""
    pair = rows(n)
    CONTENDERS[name](rows(1_000), 1)  # imports
    cpu, wall = time.process_time(), time.perf_counter()
    factor = CONTENDERS[name](pair, draws)
    spent = {"cpu": (time.process_time() - cpu) * factor, "wall": (time.perf_counter() - wall) * factor}
    print(json.dumps({**spent, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def main() -> int:
    """Run every contender and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        run(arguments.contender, arguments.rows[0], arguments.draws)
        return 0
    print("| rows | ROC AUC, F1 and log loss of two models | CPU s | s | peak MiB |")
    print("|--:|---|--:|--:|--:|")
    for n in arguments.rows:
        for name in CONTENDERS:
            options = ["--rows", str(n), "--draws", str(arguments.draws), "--contender", name]
            command = [sys.executable, __file__, *options]
            cost = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            numbers = f"{cost['cpu']:,.2f} | {cost['wall']:,.2f} | {cost['peak']:,.0f}"
            print(f"| {n:,} | {name} | {numbers} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
