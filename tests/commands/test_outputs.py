"""Outputs of all stages: each one is a name of something, or it is what the checks decide."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.github.runtime import append_summary, write_outputs
from cd4ml.stages import STAGES, declaration
from tests.conftest import Run

Checks = list[dict[str, Any]]
# Paths, digests (as is every `…sha256`) and numbers of issues: they say what was made, not how it was judged.
NAMES = {
    "score-model": {"predictions"},
    "build-image": {"image", "digest"},
    "deploy-model": {"image", "commit", "pull-request", "manifest-changed"},
    "promote-model": {"image", "commit", "pull-request", "version"},
    "verify-evidence": {"image", "commit"},
    "analyze-rollout": {"rows-needed", "minutes-needed"},
    "advance-rollout": {"action", "canary", "model", "weight", "since", "commit"},
    "analyze-experiment": {"winner"},
    "score-batch": {"output", "run"},
    "request-retraining": {"requested", "request"},
    "plan-search": {"jobs", "served"},
    "run-trial": {"journal", "trials"},
    "select-trial": {"selected"},
    "train-model": {"version"},
}


def least_ratio(checks: Checks) -> str:
    """Return the least ratio that a check decides on."""
    ratios = [check["value"] for check in checks if check.get("metric") == "disparate-impact-ratio"]
    return repr(min(1 / ratio if ratio > 1 else ratio for ratio in ratios))


def drifted(checks: Checks) -> str:
    """Return whether a check says that something drifted."""
    if any(check["status"] == "failed" or check.get("reason") == "moderate-drift" for check in checks):
        return "true"
    return "false" if all(check["status"] == "passed" for check in checks) else "unknown"


def retrain(checks: Checks) -> str:
    """Return whether a check gives a reason to retrain."""
    reasons = {"moderate-drift", "significant-drift", "unseen-categories", "covariate-shift", "no-overlap"}
    return str(bool(reasons & {check.get("reason") for check in checks})).lower()


def worst(checks: Checks) -> str:
    """Return the feature of the failed check that lies furthest beyond its limit; else of a moderate one."""
    for flagged in (
        [check for check in checks if check["status"] == "failed"],
        [check for check in checks if check.get("reason") == "moderate-drift"],
    ):
        if flagged:
            return str(max(flagged, key=lambda check: check["value"] / check["limit"])["id"].partition(":")[2])
    return ""


def mismatched(checks: Checks) -> str:
    """Return whether a check of the assignment failed."""
    return str(
        any(check["id"] in ("units", "sample-ratio") and check["status"] == "failed" for check in checks)
    ).lower()


def rollout(checks: Checks) -> str:
    """Return whether a canary goes on, as its checks decide."""
    statuses = {check["status"] for check in checks}
    return "roll-back" if "failed" in statuses else "go-on" if statuses == {"passed"} else "wait"


def stale(checks: Checks) -> str:
    """Return whether a check says that a table is not as new as it must be."""
    reasons = {"empty-table", "no-stamp", "in-the-future", "stale", "deadline-missed"}
    return str(bool(reasons & {check.get("reason") for check in checks})).lower()


VERDICTS: Mapping[str, Mapping[str, Callable[[Checks], str]]] = {
    "audit-fairness": {"disparate-impact-ratio": least_ratio, "reported-ratio": lambda checks: ""},
    "analyze-experiment": {"mismatch": mismatched},
    "analyze-rollout": {"verdict": rollout},
    "check-freshness": {"stale": stale},
    "detect-drift": {"drift": drifted, "retrain": retrain, "worst-feature": worst},
}


@pytest.mark.parametrize("stage", STAGES)
def test_outputs__all_known(stage: str) -> None:
    """Whoever adds an output says here what it is: a name, or a number that is derived from the checks."""
    outputs = {name for name in declaration(stage).OUTPUTS if not name.endswith("sha256")}

    assert outputs == NAMES.get(stage, set()) | set(VERDICTS.get(stage, {}))


def audited(cd4ml: Callable[..., Run], folder: Path, rates: Mapping[str, float], *arguments: str) -> Run:
    """Audit groups of a hundred with these selection rates; combinations are left out."""
    rows = [
        {"y_true": row % 2, "y_pred": int(row < 100 * rate), "region": name}
        for name, rate in rates.items()
        for row in range(100)
    ]
    pd.DataFrame(rows).to_parquet(folder / "predictions.parquet")
    return cd4ml("audit-fairness", "--predictions", "predictions.parquet", "--sensitive-features", "region", *arguments)


@pytest.mark.parametrize("arguments", [(), ("--reference-method", "largest"), ("--reference-groups", "region=b")])
@pytest.mark.parametrize("rates", [(0.5, 0.5, 0.5), (0.5, 0.45, 0.3), (0.9, 0.4, 0.5), (0.2, 0.0, 0.2)])
def test_outputs__of_a_fairness_audit(
    cd4ml: Callable[..., Run], tmp_path: Path, rates: tuple[float, ...], arguments: tuple[str, ...]
) -> None:
    """The ratio that is published is the least that decides, and below the limit exactly where the audit fails."""
    run = audited(cd4ml, tmp_path, dict(zip("abc", rates, strict=True)), *arguments)
    if run.report["status"] == "error":
        assert run.report["outputs"]["disparate-impact-ratio"] == ""
        return

    expected = {name: rule(run.report["checks"]) for name, rule in VERDICTS["audit-fairness"].items()}
    assert run.report["outputs"] == expected
    assert (float(expected["disparate-impact-ratio"]) >= 0.8) is (run.report["status"] == "passed")
    assert run.report["metrics"]["disparate_impact_ratio"] == float(expected["disparate-impact-ratio"])


SHIFTS: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    "moderate": {"income": 3.5},
    "significant": {"income": 10.0},
    "moderate beside new categories": {"income": 3.5, "city": "new"},
    "gaps alone": {"gaps": 400},
    "too few rows": {"rows": 50},
}


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=list(SHIFTS))
def test_outputs__of_drift(cd4ml: Callable[..., Run], tmp_path: Path, shift: Mapping[str, Any]) -> None:
    """Drift, retraining and the worst feature are what the checks say, and unknown where they say nothing."""
    for name, seed in (("reference", 1), ("current", 2)):
        rng, rows = np.random.default_rng(seed), 2_000
        table = pd.DataFrame({"income": rng.normal(50, 10, rows), "city": rng.choice(["north", "south"], rows)})
        if name == "current":
            table["income"] += shift.get("income", 0.0)
            table.loc[table.index[: shift.get("gaps", 0)], "income"] = np.nan
            table.loc[table.index[: 100 if "city" in shift else 0], "city"] = shift.get("city")
            table = table.head(shift.get("rows", rows))
        table.to_parquet(tmp_path / f"{name}.parquet")
    run = cd4ml("detect-drift", "--reference", "reference.parquet", "--current", "current.parquet")

    expected = {name: rule(run.report["checks"]) for name, rule in VERDICTS["detect-drift"].items()}
    assert run.report["outputs"] == expected
    assert (expected["drift"], expected["worst-feature"] == "") in {("true", False), ("false", True), ("unknown", True)}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_pipe_that_nobody_reads__is_an_error(tmp_path: Path) -> None:
    """Outputs that go to a pipe without a reader cannot be written; nothing waits for a reader without end."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="No such device"):
        write_outputs(tmp_path / "pipe", {"a": "b"})
    with pytest.raises(OSError, match="No such device"):
        append_summary(tmp_path / "pipe", "a")
