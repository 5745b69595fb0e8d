"""Hostile models: code that runs when a model is loaded and when it predicts gets none of the job's secrets."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cd4ml.digests import file_sha256
from tests import models
from tests.conftest import ROOT, Run, clean_environment, missing
from tests.scoring import hostile
from tests.scoring.test_sandbox import CANARY, Targets

Score = Callable[..., Run]
Coded = Callable[..., Path]
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has a sandbox")


@linux
@pytest.mark.parametrize("machine", ["", "no-namespaces", "no-landlock"], ids=lambda name: name or "this-machine")
def test_five_secrets__none_read(coded: Coded, tmp_path: Path, test_data: pd.DataFrame, machine: str) -> None:
    """Of secrets in the environment, in processes, in the home, in the runner's files and in git's none is read."""
    targets = Targets(tmp_path / "host")
    targets.told["cmdline"] = True
    try:
        model = coded(_body(targets), loading=f"{hostile.TRIES}\nLOADED = json.dumps(tries({targets.told!r}))")
        run = _score(tmp_path, model, machine)
        datagrams = targets.datagrams()
    finally:
        targets.end()

    isolation = run.report["details"]["isolation"]["candidate"]
    if not {"files", "network", "other-processes"} <= set(isolation["held"]):
        missing(f"this machine lacks {isolation['missing']}")
    assert run.code == 0, run.stderr
    (seen,) = set(pd.read_parquet(tmp_path / "predictions.parquet")["y_pred"])
    assert CANARY not in seen
    for found in map(json.loads, json.loads(seen)):
        assert found["processes"] == 0 and found["tcp"] != "connected" and found["unix"] != "connected"
        assert not [what for name, what in found.items() if name.startswith(("read", "write")) and "Error" not in what]
    assert datagrams == 0
    assert [path.read_text() for path in targets.files.values()] == [f"{CANARY}\n"] * 5


def _body(targets: Targets) -> str:
    """Return a `predict` that says what it got, now and when it was loaded."""
    return f"found = json.dumps(tries({targets.told!r}))\nreturn pd.Series([json.dumps([LOADED, found])] * len(rows))"


def _score(folder: Path, model: Path, machine: str, *arguments: str) -> Run:
    """Run score-model as a process of its own, with a secret in its environment, on a machine that may be poorer."""
    options = ("--test-data", "test.parquet", "--target", "approve", "--bootstrap", "--allow-code", *arguments)
    command = [sys.executable, "-m", "cd4ml", "score-model", "--candidate", str(model), *options]
    result = subprocess.run(
        [sys.executable, "-I", hostile.__file__, machine, *command],
        cwd=folder,
        env=clean_environment(
            PYTHONPATH=str(ROOT), HOME=str(folder / "host"), XDG_CACHE_HOME=str(_cache()), GITHUB_TOKEN=CANARY
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads((folder / "reports" / "score-model.json").read_text())
    return Run(code=result.returncode, stdout=result.stdout, stderr=result.stderr, report=report)


def _cache() -> Path:
    """Return where environments are kept, as without a home of the test's own."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@linux
def test_daemon_of_a_model__does_not_rewrite(score: Score, coded: Coded, tmp_path: Path) -> None:
    """A process that a model hides is gone when its predictions are read, and the table stays as it was written."""
    mark = f"hidden-{os.getpid()}"
    run = score(
        coded(f"daemon({mark!r})\nreturn pd.Series([0, 1] * 50)", loading=hostile.TRIES),
        "--bootstrap",
        production=None,
    )

    assert run.code == 0 and hostile.running(mark) == []
    assert run.report["outputs"]["predictions-sha256"] == file_sha256(tmp_path / "predictions.parquet")


@linux
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("open('/tmp/cd4ml-test', 'w')", "Error"),
        ("open(os.path.join(os.path.dirname(pd.__file__), 'x.py'), 'w')", "Error"),
        ("open(__file__, 'a')", "Error"),
        ("[open(path, 'a') for path in __import__('glob').glob('../rows/*')]", "Error"),
    ],
    ids=["temporary-folder", "environment", "model", "rows"],
)
def test_model_writes__its_own_folder_alone(score: Score, coded: Coded, body: str, words: str) -> None:
    """Not the shared environment, where it would wait for the next model; nor itself, its rows, or a common folder."""
    run = score(coded(f"{body}\nreturn pd.Series([1] * len(rows))"), "--bootstrap", production=None)

    check = next(check for check in run.report["checks"] if check["id"] == "candidate-scored:test-rows")
    if "files" not in run.report["details"]["isolation"]["candidate"]["held"]:
        missing("this machine keeps files from nobody")
    assert (run.code, check["reason"]) == (2, "not-scored") and words in check["message"]


def test_hostile_pickle__not_run_in_the_gate(score: Score, unpickled: Callable[[str], Path]) -> None:
    """The process that judges never loads the model: the code ran elsewhere."""
    run = score(unpickled("import builtins; builtins.cd4ml_was_here = True"))

    assert run.code != 0 and not hasattr(builtins, "cd4ml_was_here")


@linux
def test_isolation_required__each_protection_checked(score: Score, saved: Path) -> None:
    """Where it is required, the report has a check for each protection of each model, and by what it holds."""
    run = score(saved / "worse", "--isolation", "required")

    isolation = run.report["details"]["isolation"]
    if isolation["candidate"]["missing"]:
        missing(f"this machine lacks {isolation['candidate']['missing']}")
    found = [check["id"] for check in run.report["checks"] if "-isolated:" in check["id"]]
    assert run.code == 0 and len(found) == 2 * len(isolation["candidate"]["held"])
    assert "candidate-isolated:network" in found and "production-isolated:files" in found


@linux
def test_isolation_required__not_run_without(coded: Coded, tmp_path: Path, test_data: pd.DataFrame) -> None:
    """On a machine that lacks a protection, a model whose isolation is required is not run, and no table is left."""
    model = coded("return pd.Series([0, 1] * 50)", loading="print('it ran')")
    (tmp_path / "host").mkdir()
    run = _score(tmp_path, model, "no-landlock,no-namespaces", "--isolation", "required")

    check = next(check for check in run.report["checks"] if check["id"] == "candidate-isolated:files")
    scored = next(check for check in run.report["checks"] if check["id"] == "candidate-scored:test-rows")
    assert (run.code, check["status"], check["reason"]) == (2, "error", "not-isolated")
    assert "landlock: " in check["message"] and "isolation: available" in check["advice"]
    assert "was not run" in scored["message"] and not (tmp_path / "predictions.parquet").exists()


@linux
def test_isolation_available__said_what_is_missing(coded: Coded, tmp_path: Path, test_data: pd.DataFrame) -> None:
    """On such a machine a model runs by default, and its check says what did not hold."""
    (tmp_path / "host").mkdir()
    run = _score(tmp_path, coded("return pd.Series([0, 1] * 50)"), "no-landlock,no-namespaces")

    check = next(check for check in run.report["checks"] if check["id"] == "candidate-scored:test-rows")
    assert run.code == 0 and "could not shut it off wholly: files, other-processes" in check["message"]


@linux
def test_forest_with_threads__as_ever(score: Score, tmp_path: Path) -> None:
    """A forest whose trees predict in joblib's threads is scored as outside the sandbox."""
    from sklearn.ensemble import RandomForestClassifier

    frame = models.people()
    features = frame[["age"]].astype("float64")
    forest = RandomForestClassifier(n_estimators=20, n_jobs=2, random_state=0).fit(features, frame["approve"])
    folder = models.save(forest, tmp_path / "forest", features)
    run = score(folder, "--bootstrap", production=None)

    table: Any = pd.read_parquet(tmp_path / "predictions.parquet")
    test: Any = pd.read_parquet(tmp_path / "test.parquet")[["age"]].astype("float64")
    assert run.code == 0
    assert table["y_score"].tolist() == pytest.approx(forest.predict_proba(test)[:, 1])


@linux
def test_model_with_processes_of_its_own__as_ever(score: Score, coded: Coded) -> None:
    """A model that predicts in joblib's processes, with shared memory and locks, is scored."""
    body = """from joblib import Parallel, delayed
halves = Parallel(n_jobs=2, max_nbytes=1)(delayed(np.ones)(50) for _ in range(2))
return pd.Series(np.concatenate(halves))"""
    requirements = [*models.REQUIREMENTS, "joblib==1.6.0"]
    run = score(coded(body, requirements=requirements), "--bootstrap", production=None)

    assert run.code == 0, run.report["checks"]
