"""No file of a hostile model runs: score-model, build-image and the gateway refuse it first."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.checks.image.model_code import model_code_check
from cd4ml.digests import folder_sha256
from cd4ml.errors import OptionsError
from cd4ml.model_files import code_of
from cd4ml.report import Status
from cd4ml.serving.model import ModelError, load
from cd4ml.serving.state import Phase, Service, State
from tests import malicious, models
from tests.conftest import ROOT, Run, clean_environment
from tests.serving.conftest import running

CASES = malicious.cases()
# Cases that need a library which the tests do not have: what they would run cannot be shown here.
UNSHOWN = {
    *("zip-of-torch", "class-of-xgboost", "lightgbm-in-a-pickle", "two-flavors"),
    *("onnx-with-weights-outside", "onnx-with-an-operator-of-its-own", "onnx-with-a-library"),
    "pandas-evaluates-text",
}


@pytest.fixture(scope="session")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as MLflow pickles it."""
    frame = models.people()
    folder = tmp_path_factory.mktemp("harmless") / "model"
    return models.save(models.classifier(frame), folder, frame[["age", "income", "city"]])


@pytest.fixture
def hostile(harmless: Path, tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Make the model of a case; return its folder and the marker that its code would leave."""

    def make(name: str) -> tuple[Path, Path]:
        folder, marker = tmp_path / "model", tmp_path / "marker"
        shutil.copytree(harmless, folder)
        CASES[name](folder, marker)
        return folder, marker

    return make


def test_the_harmless_model_is_accepted(harmless: Path) -> None:
    """What the cases start from is accepted without a word: they are refused for what was changed."""
    assert code_of(harmless) == []
    assert load(harmless).predict(models.people(5)[["age", "income", "city"]])[0].shape == (5,)


@pytest.mark.parametrize("name", CASES)
def test_refused_before_its_code_runs(hostile: Callable[[str], tuple[Path, Path]], name: str) -> None:
    """What loads models in score-model, the build of an image and the gateway refuse a case, and no code has run."""
    folder, marker = hostile(name)

    with pytest.raises(ModelError):
        load(folder)
    service = Service(name="x", version=None, sha256=folder_sha256(folder))
    gateway = State(folder=folder, service=service)
    gateway.load()
    assert (gateway.phase, gateway.runtime) == (Phase.FAILED, None)
    assert not _built(folder)
    assert not marker.exists()


def _built(folder: Path) -> bool:
    """Whether build-image would build the model: it goes on only if this check passed."""
    try:
        check = model_code_check(code_of(folder), allowed=False)
    except OptionsError:
        return False
    assert check.status in (Status.PASSED, Status.FAILED)
    return check.status is Status.PASSED


def test_the_cases_do_run_code_where_nobody_looks(harmless: Path, tmp_path: Path) -> None:
    """MLflow itself, asked to load the cases, leaves their markers: each case is an attack and not a broken file."""
    script = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\nfrom mlflow import pyfunc\n"
        "for folder in sys.argv[1:]:\n"
        "    if os.fork() == 0:\n"
        "        try:\n            pyfunc.load_model(folder, suppress_warnings=True)\n"
        "        finally:\n            os._exit(0)\n"
        "    os.wait()\n"
    )
    shown = [name for name in CASES if name not in UNSHOWN]
    for name in shown:
        shutil.copytree(harmless, tmp_path / name / "model")
        CASES[name](tmp_path / name / "model", tmp_path / name / "marker")
    command = [sys.executable, "-c", script, *(str(tmp_path / name / "model") for name in shown)]
    subprocess.run(command, env=clean_environment(MLFLOW_ALLOW_PICKLE_DESERIALIZATION="true"), check=True)

    assert [name for name in shown if not (tmp_path / name / "marker").exists()] == []


@pytest.mark.parametrize("name", ["getattr-chain", "code-paths", "skops-with-its-own-list"])
def test_score_model__failed_check(
    hostile: Callable[[str], tuple[Path, Path]], cd4ml: Callable[..., Run], tmp_path: Path, name: str
) -> None:
    """score-model ends in 1 with the finding, before an environment is made, and hands on no predictions."""
    folder, marker = hostile(name)
    models.people(20).to_csv(tmp_path / "test.csv", index=False)
    run = cd4ml(
        *("score-model", "--candidate", str(folder), "--bootstrap"),
        *("--test-data", "test.csv", "--target", "approve"),
    )

    check = next(check for check in run.report["checks"] if check["id"] == "candidate-code")
    assert (run.code, check["status"], check["reason"]) == (1, "failed", "runs-code")
    assert run.report["details"]["code"]["candidate"] and run.report["details"]["locks"] == {}
    assert not marker.exists() and not (tmp_path / "predictions.parquet").exists()


def test_score_model__a_path_out_of_the_folder_is_bad_input(
    hostile: Callable[[str], tuple[Path, Path]], cd4ml: Callable[..., Run], tmp_path: Path
) -> None:
    """Weights beside the folder are refused whatever is allowed: no digest would name them."""
    folder, marker = hostile("redirected")
    models.people(20).to_csv(tmp_path / "test.csv", index=False)
    run = cd4ml(
        *("score-model", "--candidate", str(folder), "--bootstrap", "--allow-code"),
        *("--test-data", "test.csv", "--target", "approve"),
    )

    assert (run.code, run.report["status"]) == (2, "error")
    assert "../outside.pkl" in json.dumps(run.report) and not marker.exists()


@pytest.mark.parametrize("built", [{"allow_code": False}, {"allow_code": True, "sha256": "0" * 64}])
def test_gateway__fails_and_says_so(
    hostile: Callable[[str], tuple[Path, Path]], tmp_path: Path, built: dict[str, Any]
) -> None:
    """An image that was built to run no code, or that of another model, fails, whatever a pod's SERVICE_FILE says."""
    folder, marker = hostile("python-model")
    other = tmp_path / "other.json"
    text = '{{"name": "x", "version": null, "sha256": "{}", "allow_code": true}}'
    other.write_text(text.format(folder_sha256(folder)))
    pod = {"SERVICE_FILE": str(other), "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"}
    with running(folder, tmp_path, **built, env=pod) as gateway:
        assert gateway.until(503, "/health/liveness").json()["status"] == "failed"
    assert not marker.exists()


@pytest.mark.parametrize("name", [name for name in CASES if name != "python-model"])
def test_mlflows_own_switch__allows_no_other_code(hostile: Callable[[str], tuple[Path, Path]], name: str) -> None:
    """Where a gateway is started by hand, MLflow's switch for Python models lets no other case run its code."""
    folder, marker = hostile(name)
    service = Service(name="x", version=None, sha256=folder_sha256(folder))
    gateway = State(folder=folder, service=service, python_models=True)

    gateway.load()

    assert gateway.phase is Phase.FAILED
    assert not marker.exists()


def test_mlflows_own_switch__allows_python_models_by_hand(hostile: Callable[[str], tuple[Path, Path]]) -> None:
    """A model of the class PythonModel is code, and its code runs where who starts the gateway says so to MLflow."""
    folder, marker = hostile("python-model")
    service = Service(name="x", version=None, sha256=folder_sha256(folder))

    State(folder=folder, service=service).load()
    assert not marker.exists()
    State(folder=folder, service=service, python_models=True).load()
    assert marker.exists()


def test_the_room_is_all_that_the_image_needs() -> None:
    """What looks at models imports nothing heavy: it is the same file in a stage, in a model's environment and here."""
    code = "import sys, cd4ml.model_files; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"numpy", "pandas", "mlflow", "skops", "sklearn", "yaml"} & set(loaded.split())
