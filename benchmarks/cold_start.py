#!/usr/bin/env python3
"""What a stage's job costs on a new runner: its environment is made, the stage starts and judges 2,000 rows.

Every run goes through `actions/run-stage.sh`, as an action does. The first step of a job finds neither an environment
nor downloads; the second one finds both. uv is not on PATH unless `--uv` is given; with `--cache` the first step finds
the downloads of an earlier job. check-code finds its tools in the caller's environment. A candidate is looked for in a
registry that does not have it; stages that act are refused, once everything they need is loaded. With `--against
COMMIT` the suite of another commit takes turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import CACHE, ROOT, Run, compare  # noqa: E402

REGISTRY: Final = "http://127.0.0.1:47115"
ABSENT: Final = "models:/absent@champion"
# What each stage is told; a stage that is not here costs what one with the same lock files does.
INPUTS: Final[Mapping[str, Mapping[str, str]]] = {
    "check-code": {"paths": "credit.py,test_credit.py"},
    "validate-data": {"data": "current.parquet", "schema": "schema.yaml"},
    "check-split": {"train-data": "reference.parquet", "test-data": "current.parquet", "target": "y_true"},
    "score-model": {
        "candidate": ABSENT,
        "tracking-uri": REGISTRY,
        "test-data": "current.parquet",
        "target": "y_true",
        "bootstrap": "true",
    },
    "evaluate-model": {"predictions": "current.parquet", "minimum": "roc-auc=0.5", "slices": "sex"},
    "audit-fairness": {"predictions": "current.parquet", "sensitive-features": "sex"},
    "build-image": {
        "model": ABSENT,
        "tracking-uri": REGISTRY,
        "image": "registry.example/credit:1",
        "simulate": "false",
    },
    "deploy-model": {
        "repository": "absent",
        "manifest": "values.yaml",
        "image": f"registry.example/credit@sha256:{'0' * 64}",
    },
    "detect-drift": {"reference": "reference.parquet", "current": "current.parquet"},
}
# A verdict, or the refusal of what is not there: never an environment that is missing something.
EXPECTED: Final = (0, 1, 2, 3, 4)
SCHEMA: Final = """schema_type: dataframe
version: 0.35.0
columns:
  age: {dtype: int64, nullable: false, checks: {greater_than_or_equal_to: 18}}
  sex: {dtype: str, nullable: false}
coerce: false
strict: false
"""
CODE: Final = (
    '"""Credit."""\n\n\ndef ratio(debt: float, income: float) -> float:\n    """Divide."""\n    return debt / income\n'
)
TEST: Final = (
    '"""Tests of credit."""\n\nfrom credit import ratio\n\n\ndef test_ratio() -> None:\n    """A half."""\n'
    "    assert ratio(1.0, 2.0) == 0.5\n"
)
_NETWORK: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


class Registry(BaseHTTPRequestHandler):
    """A registry that has no model."""

    def do_GET(self) -> None:
        """Answer as MLflow's server does."""
        body = json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such model"}).encode()
        self.send_response(404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def exported(commit: str, folder: Path) -> Path:
    """Return the suite of a commit in a folder, without its history."""
    folder.mkdir()
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], check=True, input=archive)
    return folder


def write_project(folder: Path) -> None:
    """Write what the stages look at."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    count = 2000
    y_true = generator.integers(0, 2, count)
    y_score = np.clip(y_true * 0.3 + generator.random(count) * 0.7, 0, 1)
    table = pd.DataFrame(
        {
            "row_id": range(count),
            "y_true": y_true,
            "y_pred": (y_score > 0.5).astype(int),
            "y_score": y_score,
            "production_y_pred": (y_score > 0.45).astype(int),
            "production_y_score": y_score * 0.98,
            "sex": generator.choice(["f", "m"], count),
            "age": generator.integers(18, 80, count),
        }
    )
    table.to_parquet(folder / "current.parquet", index=False)
    table.sample(frac=0.9, random_state=1).to_parquet(folder / "reference.parquet", index=False)
    for name, text in {"schema.yaml": SCHEMA, "credit.py": CODE, "test_credit.py": TEST}.items():
        (folder / name).write_text(text, encoding="utf-8")


def steps(suite: Path, stage: str, home: Path, given: argparse.Namespace) -> dict[str, list[str | Path]]:
    """Return what the first and the second step of a job run.

    Args:
        home: an empty folder; what a job leaves behind is below it.
    """
    settings = {name: os.environ[name] for name in _NETWORK if name in os.environ}
    settings |= {"HOME": str(home), "PATH": _path(with_uv=given.uv), "RUNNER_TEMP": str(home / "temp")}
    settings |= {f"CD4ML_INPUT_{name.upper().replace('-', '_')}": value for name, value in INPUTS[stage].items()}
    if stage == "check-code":  # the caller's tools are the project's own
        settings["PATH"] = f"{ROOT / '.venv' / 'bin'}:{settings['PATH']}"
        settings["CD4ML_PYTHON_EXECUTABLE"] = str(Path(sys.base_prefix) / "bin" / "python3")
    gone = '"$HOME/temp"' if given.cache else '"$HOME/temp" "$HOME/.cache"'
    scripts = {"first step": f'rm -rf {gone}; cd "$HOME/project"; exec bash "$0" "$1"'}
    scripts["second step"] = 'cd "$HOME/project"; exec bash "$0" "$1"'
    run = ["env", "-i", *(f"{name}={value}" for name, value in settings.items()), "bash", "-c"]
    return {step: [*run, script, suite / "actions" / "run-stage.sh", stage] for step, script in scripts.items()}


def _path(*, with_uv: bool) -> str:
    """Return PATH, without the folders that hold uv unless it is to be found."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(part for part in folders if with_uv or not (Path(part) / "uv").exists())


def measured(suites: Mapping[str, Path], stage: str, scratch: Path, given: argparse.Namespace) -> dict[str, Run]:
    """Return the medians of a stage's first and second step by suite, and print them with the environment's size."""
    found: dict[str, Sequence[str | Path]] = {}
    homes = {name: scratch / f"{name}-{stage}" for name in suites}
    for name, suite in suites.items():
        homes[name].mkdir()
        write_project(homes[name] / "project")
        for step, command in steps(suite, stage, homes[name], given).items():
            found[f"{step}, {name}"] = command
    runs = compare(found, given.rounds, EXPECTED)
    for step, item in runs.items():
        size = megabytes(homes[step.rpartition(", ")[2]] / "temp")
        print(f"| {stage} | {step} | {item.cpu:.1f} | {item.wall:.1f} | {size} |", flush=True)
    return runs


def megabytes(folder: Path) -> int:
    """Return how much a folder holds; a file with several links counts once."""
    listed = subprocess.run(
        ["du", "--summarize", "--block-size=1M", folder], check=True, capture_output=True, text=True
    )
    return int(listed.stdout.split()[0])


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", default=tuple(INPUTS), choices=tuple(INPUTS), metavar="STAGE")
    parser.add_argument("--against", metavar="COMMIT", help="a commit to take turns with")
    parser.add_argument("--uv", action="store_true", help="leave uv on PATH")
    parser.add_argument(
        "--cache", action="store_true", help="keep the downloads from job to job, as actions/cache does"
    )
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=CACHE))
    server = ThreadingHTTPServer(("127.0.0.1", urlsplit(REGISTRY).port or 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        suites = {"now": ROOT}
        if given.against:
            suites = {"before": exported(given.against, scratch / "before"), **suites}
        print("| stage | step | CPU s | wall s | MB of environment |\n|---|---|---|---|---|")
        for stage in given.stages:
            measured(suites, stage, scratch, given)
    finally:
        server.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
