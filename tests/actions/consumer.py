"""A small repository that uses the suite, made from nothing; `broken` names the stage that must block."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pandas as pd

GATES: Final = ("check-code", "validate-data", "evaluate-model", "audit-fairness")
_CONFIG: Final = """\
check-code:
  paths: [credit, tests]
  tools: [black, flake8, pytest]
validate-data:
  data: data.csv
  schema: schema.yaml
evaluate-model:
  predictions: predictions.parquet
  minimum: {accuracy: 0.80}
audit-fairness:
  predictions: predictions.parquet
  sensitive-features: [sex]
"""
_SCHEMA: Final = """\
schema_type: dataframe
api: pandas
columns:
  row_id:
    dtype: int64
    unique: true
  amount:
    dtype: float64
    greater_than_or_equal_to: 0.0
"""

# A report of build-image as it would be for this commit: the real one needs a container engine.
_BUILD_REPORT: Final = """\
import json
import subprocess

commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
report = {
    "schema_version": "1",
    "tool": {"name": "cd4ml", "version": "1.0.0"},
    "stage": "build-image",
    "status": "passed",
    "summary": "",
    "source": {"git_sha": commit, "modified": []},
    "candidate": {"uri": "model", "sha256": "a" * 64},
    "production": None,
    "inputs": [],
    "options": {},
    "seed": None,
    "checks": [{"id": "model-code", "status": "passed", "message": "Loading the model runs no code of its own."}],
    "metrics": {},
    "details": {},
    "outputs": {"image": "localhost:1/credit@sha256:" + "b" * 64},
    "plan": [],
    "run": {},
}
with open("reports/build-image.json", "w", encoding="utf-8") as stream:
    json.dump(report, stream)
"""


def make_consumer(folder: Path, *, broken: str | None = None) -> Path:
    """Write the repository's files and return its folder.

    Args:
        broken: the one stage whose input is bad; None for a repository where every gate passes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cd4ml.yaml").write_text(_CONFIG)
    (folder / "schema.yaml").write_text(_SCHEMA)
    (folder / ".gitignore").write_text("reports/\n")
    (folder / "build_report.py").write_text(_BUILD_REPORT)
    write_code(folder, wrong=broken == "check-code")
    amounts = [float(position) for position in range(50)]
    if broken == "validate-data":
        amounts[7] = -1.0
    pd.DataFrame({"row_id": range(50), "amount": amounts}).to_csv(folder / "data.csv", index=False)
    predictions(broken).to_parquet(folder / "predictions.parquet", index=False)
    return folder


def write_code(folder: Path, *, wrong: bool) -> None:
    """Write a package of one function, and its test."""
    (folder / "credit").mkdir(exist_ok=True)
    (folder / "credit" / "__init__.py").write_text(
        '"""Decide on credit."""\n\n\ndef approve(score: float) -> bool:\n'
        f'    """Whether a score is high enough."""\n    return score >= 0.{"6" if wrong else "5"}\n'
    )
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests" / "test_credit.py").write_text(
        'from credit import approve\n\n\ndef test_approve():\n    """A half is enough."""\n    assert approve(0.5)\n'
    )


def predictions(broken: str | None = None) -> pd.DataFrame:
    """Return 400 decisions: 90 % right, the candidate better than production, equal rates for both groups."""
    table = pd.DataFrame({"row_id": range(400), "y_true": [position // 2 % 2 for position in range(400)]})
    table["sex"] = ["female" if position % 2 else "male" for position in range(400)]
    wrong = [position % 20 < 2 for position in range(400)]
    table["y_pred"] = [label ^ miss for label, miss in zip(table["y_true"], wrong, strict=True)]
    table["production_y_pred"] = [
        label ^ (position % 10 in (3, 4)) for position, label in enumerate(table["y_true"].tolist())
    ]
    if broken == "evaluate-model":
        table["y_pred"] = [label ^ (position % 4 < 2) for position, label in enumerate(table["y_true"].tolist())]
    if broken == "audit-fairness":
        table.loc[table["row_id"].mod(20).isin((7, 11)), ["y_true", "y_pred"]] = 0
    return table


if __name__ == "__main__":
    good, bad = sys.argv[1:]
    make_consumer(Path(good))
    make_consumer(Path(bad), broken="audit-fairness")
