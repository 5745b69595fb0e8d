"""score-batch beside `mlflow.pyfunc` on a pandas table, and beside a plain `mapInArrow`: rows a second, and memory.

All read the same Parquet file, score every row and write Parquet, as whole processes; the memory is that of all their
processes together. Run it with

    python benchmarks/score_batch.py [--rows 1000000] [--model mixed-linear] [--only score-batch pyfunc]

What is scored differs: pyfunc gives the class alone, all others the class and its probability. `pyfunc-both` asks the
model inside for that as well. `plain-spark` asks the model as score-batch does, without a sandbox and without parts.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import models  # noqa: E402

COLUMNS: Final = [f"x{place}" for place in range(10)]
# Columns of texts, and how many there are in each.
CATEGORIES: Final = {"c0": 5, "c1": 20, "c2": 50}
MIXED: Final = "mixed-"
KINDS: Final = ("linear", "trees", f"{MIXED}linear", f"{MIXED}trees")
PYFUNC: Final = (
    "import sys, mlflow.pyfunc, pandas as pd; rows = pd.read_parquet('rows.parquet'); "
    "model = mlflow.pyfunc.load_model('model'); "
    "pd.DataFrame({'y_pred': model.predict(rows)}).to_parquet('pyfunc.parquet')"
)
BOTH: Final = (
    "import sys, mlflow.pyfunc, pandas as pd; rows = pd.read_parquet('rows.parquet'); "
    "model = mlflow.pyfunc.load_model('model'); scores = model.get_raw_model().predict_proba(rows)[:, 1]; "
    "pd.DataFrame({'y_pred': model.predict(rows), 'y_score': scores}).to_parquet('pyfunc.parquet')"
)
PLAIN_SPARK: Final = """
import pyarrow as pa
from pyspark.sql import SparkSession
def score(batches):
    from cd4ml.scoring.child import predict
    from cd4ml.serving.model import load
    model = load('model')
    for batch in batches:
        yield pa.RecordBatch.from_pandas(predict(model, batch.to_pandas()), preserve_index=False)
session = SparkSession.builder.config('spark.sql.execution.arrow.maxRecordsPerBatch', 100_000).getOrCreate()
rows = session.read.parquet('rows.parquet')
rows.mapInArrow(score, 'y_pred long, y_score double').write.mode('overwrite').parquet('plain-spark')
session.stop()
"""
BATCH: Final = "-m cd4ml score-batch --model model --data rows.parquet --output scores.parquet --runtime".split()
CONTENDERS: Final[dict[str, list[str]]] = {
    "score-batch": [*BATCH, "auto"],
    "native": [*BATCH, "native"],
    "pyfunc": ["-c", PYFUNC],
    "pyfunc-both": ["-c", BOTH],
    "spark": [*BATCH, "native", "--runner", "spark"],
    "plain-spark": ["-c", PLAIN_SPARK],
}
_GROUP: Final = 1_000_000


def model(kind: str, folder: Path) -> None:
    """Save a fitted classifier: of numbers, or of numbers and categories."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = table(20_000, 0, kind).to_pandas()
    label = (rows[COLUMNS].sum(axis=1) + 2 * (rows["c0"] == "value 1" if "c0" in rows else 0) > 0).astype(int)
    scaled = StandardScaler()
    if kind.startswith(MIXED):
        scaled = make_column_transformer((scaled, COLUMNS), (OneHotEncoder(handle_unknown="ignore"), list(CATEGORIES)))
    last: Any = LogisticRegression() if kind.endswith("linear") else GradientBoostingClassifier(n_estimators=50)
    models.save(make_pipeline(scaled, last).fit(rows, label), folder, rows)


def table(rows: int, seed: int, kind: str) -> pa.Table:
    """Return rows for a model of a kind."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {name: rng.normal(size=rows) for name in COLUMNS}
    for name, values in CATEGORIES.items() if kind.startswith(MIXED) else ():
        names = pa.array([f"value {place}" for place in range(values)])
        columns[name] = names.take(pa.array(rng.integers(0, values, rows)))
    return pa.table(columns)


def write(path: Path, rows: int, kind: str) -> None:
    """Write rows, a million at a time."""
    with pq.ParquetWriter(path, table(1, 0, kind).schema) as writer:
        for seed, start in enumerate(range(0, rows, _GROUP)):
            writer.write_table(table(min(_GROUP, rows - start), seed, kind))


def below(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from below(int(child))


def memory(pid: int) -> int:
    """Return the bytes that a process and its descendants take; what they share counts once."""
    found = 0
    for one in below(pid):
        with suppress(OSError):
            match = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{one}/smaps_rollup").read_text(), re.M)
            found += int(match[1]) * 1024 if match else 0
    return found


def processor(pid: int) -> float:
    """Return the processor seconds that a process has taken, 0 if it has ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def measured(command: Sequence[str], folder: Path) -> tuple[float, float, int]:
    """Return the seconds that a command takes, those of the processor, and the most memory."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    start, most = time.perf_counter(), 0
    # Looked at while they run: nobody waits for a model's process that is ended, so no parent knows of its seconds.
    taken: dict[int, float] = {}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=output)
        while process.poll() is None:
            most = max(most, memory(process.pid))
            taken |= {one: max(taken.get(one, 0.0), processor(one)) for one in below(process.pid)}
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit((folder / "output").read_text()[-2000:])
    return time.perf_counter() - start, sum(taken.values()), most


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--model", choices=KINDS, default="trees")
    parser.add_argument("--only", choices=CONTENDERS, nargs="+", default=list(CONTENDERS)[:4])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cd4ml-benchmark-") as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        model(asked.model, folder / "model")
        write(folder / "rows.parquet", asked.rows, asked.model)
        for contender in asked.only:
            seconds, cpu, most = measured([sys.executable, *CONTENDERS[contender]], folder)
            said = f"{seconds:.1f} s, {cpu:.1f} CPU s, {asked.rows / cpu:,.0f} rows a CPU second, {most >> 20} MiB"
            print(f"{contender}: {asked.rows:,} rows in {said}", flush=True)
        if (folder / "scores.parquet").exists() and (folder / "pyfunc.parquet").exists():
            ours, theirs = pd.read_parquet(folder / "scores.parquet"), pd.read_parquet(folder / "pyfunc.parquet")
            print(f"equal predictions: {(ours['y_pred'] == theirs['y_pred']).all()} of {len(ours):,}")


if __name__ == "__main__":
    main()
