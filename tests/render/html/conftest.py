"""Reports of real runs, and what a page of them says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import run_cd4ml
from tests.events import CANARY, STABLE, events, write
from tests.reports import document

PREDICTIONS = ("--predictions", "predictions.parquet")
MODEL = {"uri": "models:/credit@challenger", "sha256": "4745cfc6" * 8, "name": "credit", "version": "7", "alias": None}
SCAN = {
    "trivy": "0.74.0",
    "database_updated_at": "2026-11-26T19:39:11+00:00",
    "distribution": "debian 12.15",
    "end_of_life": False,
    "packages": 174,
    "by_severity": {"HIGH": 1, "LOW": 2},
    "findings": [
        {
            **{"id": "CVE-2024-56326", "severity": "HIGH", "package": "jinja2", "installed": "3.1.4"},
            **{"fixed": "3.1.5", "title": "Sandbox breakout", "target": "app"},
        }
    ],
    "ignores": [{"id": "CVE-2024-1", "package": "zlib", "reason": "not reachable", "expires": "2027-01-01"}],
}


def people(rows: int = 600, seed: int = 3) -> pd.DataFrame:
    """Return people with the decisions and scores of two models; fewer of one group are selected."""
    rng = np.random.default_rng(seed)
    race = rng.choice(["black", "white"], rows, p=[0.3, 0.7])
    score = np.clip(rng.beta(3, 2, rows) - 0.12 * (race == "black"), 0.01, 0.99)
    truth = (rng.random(rows) < score).astype(int)
    before = np.clip(score + rng.normal(0, 0.08, rows), 0.01, 0.99)
    return pd.DataFrame(
        {
            "row_id": range(rows),
            "y_true": truth,
            "y_pred": (score >= 0.5).astype(int),
            "y_score": score,
            "production_y_pred": (before >= 0.5).astype(int),
            "production_y_score": before,
            "race": race,
            "region": rng.choice(["north", "south"], rows),
            "income": rng.normal(50, 10, rows),
        }
    )


def run_stages(folder: Path) -> None:
    """Run the stages that need nothing but tables; some of them fail."""
    frame = people()
    frame.to_parquet(folder / "predictions.parquet", index=False)
    frame[["race", "region", "income"]].to_parquet(folder / "data.parquet", index=False)
    changed = people(seed=4)[["race", "region", "income"]].assign(income=lambda table: table["income"] + 25)
    changed.to_parquet(folder / "today.parquet", index=False)
    assert run_cd4ml(folder, "schema", "infer", "--data", "data.parquet").code == 0
    assert run_cd4ml(folder, "validate-data", "--data", "today.parquet", "--schema", "schema.yaml").code == 1
    people(seed=5).to_parquet(folder / "train.parquet", index=False)
    split = ("--train-data", "train.parquet", "--test-data", "predictions.parquet", "--target", "y_true")
    assert run_cd4ml(folder, "check-split", *split, "--key", "row_id").code == 1  # the same row ids in both
    metrics = ("--minimum", "accuracy=0.6,roc-auc=0.6", "--maximum-regression", "accuracy=0.05", "--slices", "region")
    assert run_cd4ml(folder, "evaluate-model", *PREDICTIONS, *metrics).code in (0, 1)
    features = ("--sensitive-features", "race,region", "--positive-label", "1")
    assert run_cd4ml(folder, "audit-fairness", *PREDICTIONS, *features).code == 1
    assert run_cd4ml(folder, "detect-drift", "--reference", "data.parquet", "--current", "today.parquet").code == 1
    write(folder / "events.jsonl", events(STABLE, replace(CANARY, failed=0.1)))
    assert run_cd4ml(folder, "analyze-rollout", "--stable", "events.jsonl").code == 1
    units = people(seed=6).assign(variant=lambda table: np.where(table["row_id"] % 2, "new", "control"))
    units.to_parquet(folder / "units.parquet", index=False)
    planned = ("--data", "units.parquet", "--variant", "variant", "--expected", "control=0.5,new=0.5")
    assert run_cd4ml(folder, "analyze-experiment", *planned, "--metrics", "y_pred=proportion").code == 4


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of reports of every stage: of real runs where tables suffice, else of the same shape."""
    folder = tmp_path_factory.mktemp("real")
    run_stages(folder)
    made: dict[str, dict[str, Any]] = {
        "check-code": {"metrics": {"files": 6, "black": {"findings": 0}, "pytest": {"tests": 9, "coverage": 93.846}}},
        "score-model": {
            "candidate": MODEL,
            "metrics": {"rows": 600, "size_bytes": {"candidate": 51152}},
            "details": {
                "locks": {"candidate": "05e2" * 16},
                "isolation": {"candidate": {"held": {"files": ["landlock"]}}},
            },
        },
        "build-image": {
            "candidate": MODEL,
            "details": {
                "image": "registry.example/credit:7",
                "digest": "sha256:" + "74" * 32,
                "size": 655417214,
                "scan": SCAN,
            },
        },
        "deploy-model": {
            "candidate": MODEL,
            "plan": ["Commit and push."],
            "details": {"branch": "main", "changed": True},
        },
        "score-batch": {"candidate": MODEL, "metrics": {"rows": 600}},
        "check-freshness": {
            "metrics": {"tables": {"scores.parquet": {"rows": 9, "stamp": "2026-11-27T04:40:00+00:00"}}}
        },
        "check-features": {"metrics": {"entities": {"sampled": 1000}, "features": {"income": {"equal": 1000}}}},
        "verify-evidence": {"candidate": MODEL},
        "advance-rollout": {"outputs": {"action": "advanced", "weight": "10"}},
        "promote-model": {"outputs": {"image": "registry.example/credit@sha256:74"}},
        "request-retraining": {"details": {"windows": [{"window": "2026-11", "verdict": "drift"}]}},
        "plan-search": {"outputs": {"jobs": "[0, 1]"}},
        "run-trial": {"metrics": {"scores": [0.81, None]}},
        "select-trial": {"metrics": {"trials": 4, "cross-validated": 0.82, "nested": 0.8}},
        "train-model": {"candidate": MODEL, "plan": ["Register a new version of credit, with its lineage as tags."]},
    }
    for stage, changes in made.items():
        (folder / "reports" / f"{stage}.json").write_text(json.dumps(document(stage, **changes)))
    return folder / "reports"


@pytest.fixture(scope="session")
def real_page(real: Path) -> Path:
    """Return the page of these reports."""
    ran = run_cd4ml(real.parent, "report")
    assert ran.code == 0, ran.stderr
    return real / "index.html"
