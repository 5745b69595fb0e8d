"""The commands and the configuration that the documentation shows work as they stand, in such a repository."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pytest

from cd4ml.published import BEHAVIOUR_SCHEMA
from cd4ml.stages import ANALYSIS
from tests import models
from tests.actions.act import commit, git
from tests.conftest import ROOT, Run, run_cd4ml
from tests.gitops.test_manifest import HELM
from tests.registries import new_store, register
from tests.reports import FINE, write

pytestmark = pytest.mark.timeout(600)
# build-image is run with a container engine in tests/image, request-retraining with a platform in tests/retraining.
PAGES: Final = (
    "validate-data",
    "check-code",
    "check-split",
    "score-model",
    "evaluate-model",
    "audit-fairness",
    "detect-drift",
    "deploy-model",
    "promote-model",
    "advance-rollout",
    "score-batch",
)
GETTING_STARTED: Final = ROOT / "docs" / "getting-started.md"
FEATURES: Final = ["age", "income", "city"]
CODE: Final = (
    '"""Credit."""\n\n\ndef ratio(debt: float, income: float) -> float:\n'
    '    """Divide."""\n    return debt / income\n'
)
TEST: Final = (
    '"""Tests of credit."""\n\nfrom credit import ratio\n\n\n'
    'def test_ratio() -> None:\n    """A half is a half."""\n    assert ratio(1.0, 2.0) == 0.5\n'
)
SETTINGS: Final = {
    ".flake8": "[flake8]\nmax-line-length = 120\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n[tool.mypy]\nmypy_path = "src"\n',
    ".gitignore": "reports/\n*.parquet\nmodels/\nmodel/\n*.db\nmlruns/\n",
}


_KINDS: Final = ("console", "yaml", "csv")
_TESTS: Final = {
    "invariance:sex:another-value",
    "invariance:race:another-value",
    "direction:income",
    "robustness:age:noise",
    "robustness:income:missing",
    "robustness:income:unit",
    "known-answers:known.csv",
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository as docs/getting-started.md describes it, beside a GitOps repository and with a registry."""
    folder = tmp_path_factory.mktemp("documented") / "credit"
    write_code(folder)
    train, test = customers(1200, seed=1), customers(800, seed=2)
    (folder / "data").mkdir()
    train.to_parquet(folder / "data" / "train.parquet", index=False)
    test.to_parquet(folder / "data" / "test.parquet", index=False)
    customers(900, seed=3).to_parquet(folder / "today.parquet", index=False)
    shutil.copy(folder / "data" / "train.parquet", folder / "train.parquet")
    (folder / "schema.yaml").write_text("to be inferred\n")
    (folder / "cd4ml.yaml").write_text(first_configuration())
    commit(folder)
    register_models(folder, train)
    (folder.parent / "gitops" / "credit").mkdir(parents=True)
    (folder.parent / "gitops" / "credit" / "values.yaml").write_text(HELM)
    commit(folder.parent / "gitops")
    git(folder.parent, "clone", "--quiet", "--bare", "gitops", "gitops.git")
    return folder


def write_code(folder: Path) -> None:
    """Write a package, its tests and its tools' settings."""
    files = {"src/credit/__init__.py": CODE, "tests/test_credit.py": TEST, **SETTINGS}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def customers(rows: int, *, seed: int) -> pd.DataFrame:
    """Return customers; whether they are approved depends neither on sex nor on race."""
    rng = np.random.default_rng(seed)
    frame = models.people(rows, seed=seed).rename(columns={"approve": "approved"}).dropna(ignore_index=True)
    frame["sex"] = rng.choice(["female", "male"], len(frame))
    frame["race"] = rng.choice(["black", "white"], len(frame))
    return frame


def register_models(folder: Path, train: pd.DataFrame) -> None:
    """Register seven versions: the sixth in production, with the profile of its training data, the seventh new."""
    named = train.rename(columns={"approved": "approve"})
    for name, rows in (("champion", 150), ("challenger", len(train))):
        models.save(models.classifier(named.head(rows)), folder / "models" / name, train[FEATURES])
    (profile,) = [line for line in commands("detect-drift") if "--save-profile" in line]
    assert run(folder, profile).code == 0
    shutil.copy(folder / "model" / "reference-profile.json", folder / "models" / "champion")
    versions = [folder / "models" / "champion"] * 6 + [folder / "models" / "challenger"]
    register(new_store(folder), "credit", versions, aliases={"champion": "6", "challenger": "7"})


def first_configuration() -> str:
    """Return the `cd4ml.yaml` that the page for starters begins with."""
    return str(re.findall(r"```yaml\n(.*?)```", GETTING_STARTED.read_text(), re.S)[0])


def commands(page: str) -> list[str]:
    """Return the commands of a stage's page."""
    text = (ROOT / "docs" / "stages" / f"{page}.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    return [line for block in blocks for line in re.findall(r"^\$ cd4ml (.*)$", block, re.M)]


def run(folder: Path, line: str) -> Run:
    """Run a command as a shell would, comment and all."""
    stage, *arguments = shlex.split(line, comments=True)
    return run_cd4ml(folder, stage, *arguments, env={"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})


def lines() -> Iterator[tuple[str, str]]:
    """Yield each command after its page, in an order in which they can follow one another."""
    for page in PAGES:
        for line in sorted(commands(page), key=lambda text: not text.startswith("schema infer")):
            yield page, line


def test_getting_started__configuration_passes(repository: Path) -> None:
    """The configuration to start with, with a schema inferred as it says, takes a good model through every gate."""
    (infer,) = re.findall(r"`cd4ml (schema infer [^`]*)`", GETTING_STARTED.read_text())
    (repository / "schema.yaml").unlink()
    assert run(repository, infer).code == 0
    git(repository, "commit", "--all", "--quiet", "--message", "Schema")

    result = run(repository, "run")

    assert result.code == 0, result.stdout + result.stderr
    stages = json.loads((repository / "reports" / "pipeline.json").read_text())["stages"]
    gates = ["check-code", "validate-data", "check-split", "score-model", "evaluate-model", "audit-fairness"]
    assert [stage["stage"] for stage in stages if stage["status"] == "passed"] == gates


def test_readme__red_verdict() -> None:
    """The picture that the README begins with is what its second command prints now: a refusal, with exit code 1."""
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)\n", (ROOT / "README.md").read_text())
    drawn = subprocess.run(
        [sys.executable, "bin/pictures.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert shown == ["docs/pictures/first-verdict.svg"]
    assert "cd cd4ml/examples/first-verdict && ../../.venv/bin/cd4ml run" in (ROOT / "README.md").read_text()
    assert drawn.returncode == 0, drawn.stderr


def test_readme__first_verdict(tmp_path: Path) -> None:
    """The commands of the first five minutes pass, on CSV files and without a configuration or a registry."""
    section = (ROOT / "README.md").read_text().partition("## A first verdict")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.S)
    write_code(tmp_path)
    frame = customers(600, seed=4)
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.assign(y_true=frame["approved"], y_pred=frame["approved"]).to_csv(tmp_path / "predictions.csv", index=False)

    for line in re.findall(r"^\$ cd4ml (.*)$", block, re.M):
        result = run(tmp_path, line)

        assert result.code == 0, f"{line}\n{result.stdout}{result.stderr}"


def test_csv__declared_as_shown(tmp_path: Path) -> None:
    """The command of the page on CSV files reads such a file, for which it fails without its declarations."""
    (line,) = re.findall(r"^\$ cd4ml (.*)$", (ROOT / "docs" / "csv.md").read_text(), re.M)
    command, _, declared = line.partition(" --delimiter")
    frame = customers(600, seed=4).drop(columns="race")
    frame.to_csv(tmp_path / "data.csv", index=False, sep=";", decimal=",", na_rep="?")
    assert run(tmp_path, f"schema infer --data data.csv --output schema.yaml --delimiter{declared}").code == 0

    assert run(tmp_path, line).code == 0
    assert run(tmp_path, command).code == 2


def test_behaviour_tests__pass_as_shown(repository: Path, tmp_path: Path) -> None:
    """The files of the page on behaviour tests are complete: its command passes every one of them, and editors find the
    schema that its first line names."""
    text = (ROOT / "docs" / "behaviour-tests.md").read_text()
    (line,), (declared,), (known,) = (re.findall(f"```{kind}\n(.*?)```", text, re.S) for kind in _KINDS)
    (repository / "behaviour.yaml").write_text(declared)
    (repository / "known.csv").write_text(known)

    result = run(repository, f"{line.removeprefix('$ cd4ml ').strip()} --predictions {tmp_path.name}.parquet")

    assert result.code == 0, result.stdout + result.stderr
    assert declared.startswith(f"# yaml-language-server: $schema={BEHAVIOUR_SCHEMA}\n")
    behaviour = json.loads((repository / "reports" / "score-model.json").read_text())["metrics"]["behaviour"]
    assert (behaviour["rows"], set(behaviour["tests"])) == (500, _TESTS)


def test_pages__commands_pass_one_after_another(repository: Path) -> None:
    """Every command that a stage's page shows ends with 0, after those that it builds on."""
    for page, line in lines():
        if line.startswith("schema infer"):
            (repository / "schema.yaml").unlink(missing_ok=True)
        if page == "deploy-model":
            write_evidence(repository)
        if page == "advance-rollout":
            write(repository / "reports", ANALYSIS, run={"started_at": datetime.now(UTC).isoformat()})

        result = run(repository, line)
        if line.startswith("schema infer"):  # reviewed and committed: changed files would be no evidence
            git(repository, "commit", "--all", "--quiet", "--allow-empty", "--message", "Schema")

        assert result.code == 0, f"{line}\n{result.stdout}{result.stderr}"


def write_evidence(folder: Path) -> None:
    """Write the report of build-image that a build of the scored candidate would leave; the others are there."""
    scored = json.loads((folder / "reports" / "score-model.json").read_text())
    write(
        folder / "reports",
        "build-image",
        checks=[FINE | {"id": "model-code", "message": "Loading the model runs no code of its own."}],
        source=scored["source"],
        candidate=scored["candidate"],
        outputs={"image": "ghcr.io/owner/credit@sha256:" + "b" * 64},
    )
