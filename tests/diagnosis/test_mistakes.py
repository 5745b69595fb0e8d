"""Typical mistakes: each is said before any stage runs, with what to do, and ends as the stage itself would end."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cd4ml.commands.project import read_config
from cd4ml.context import Context
from cd4ml.diagnosis.mistakes import Mistake, mistakes
from cd4ml.registry import look
from tests.architecture.test_layers import HEAVY
from tests.conftest import ROOT, Run
from tests.diagnosis.project import make_project, mlmodel, user_predictions
from tests.registries import new_store, register

Cli = Callable[..., Run]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A mistake.

    Attributes:
        make: what makes it of a sound project.
        says: what is said of it, in parts; the last one is what to do.
        code: how the stage ends; None for what is only a warning.
        alone: whether the stage comes to it without those before it.
        environ: variables of the run.
    """

    stage: str
    make: Callable[[Path], object]
    says: tuple[str, ...]
    code: int | None = 2
    alone: bool = True
    environ: tuple[tuple[str, str], ...] = ()


def changed(old: str, new: str, *, file: str = "cd4ml.yaml") -> Callable[[Path], object]:
    """Return what replaces a text in a file."""

    def make(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return make


def each(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return what takes several steps."""
    return lambda folder: [step(folder) for step in steps]


def without(name: str) -> Callable[[Path], object]:
    """Return what removes a file or a folder."""
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def registered(folder: Path, candidate: str = "models:/credit@challenger") -> None:
    """Name a candidate in a registry."""
    changed("candidate: models/candidate", f"candidate: {candidate}")(folder)


def behaviour(text: str | None) -> Callable[[Path], object]:
    """Return what names a file of behaviour tests, and writes it unless there is no text."""

    def make(folder: Path) -> None:
        changed("  target: approve\n", "  target: approve\n  behaviour: behaviour.yaml\n")(folder)
        if text is not None:
            (folder / "behaviour.yaml").write_text(text)

    return make


REGISTRY = (("MLFLOW_TRACKING_URI", "http://127.0.0.1:9"),)
SPLIT = """\
check-split:
  train-data: data/train.csv
  test-data: data/test.csv
  target: approve
  exclude: [age, incom]
"""
CASES = {
    # Those that new users made.
    "missing data": Case(
        stage="validate-data",
        make=changed("data/train.csv", "data/trian.csv"),
        says=("data/trian.csv: no such file (did you mean `train.csv`?)", "relative to working-directory"),
        code=3,
    ),
    "missing schema": Case(
        stage="validate-data",
        make=changed("schema.yaml", "schem.yaml"),
        says=("schem.yaml: no such file (did you mean `schema.yaml`?)", "relative to working-directory"),
        code=3,
    ),
    "missing predictions": Case(
        stage="evaluate-model",
        make=each(user_predictions, without("predictions.csv")),
        says=("predictions.csv: no such file", "score-model writes it: was it run?"),
        code=3,
    ),
    "wrong column": Case(
        stage="audit-fairness",
        make=changed("sensitive-features: [race, sex]", "sensitive-features: [rase, sex]"),
        says=("predictions.parquet has no column `rase` (did you mean `race`?)", "its option `keep` lists"),
        alone=False,
    ),
    "no signature": Case(
        stage="score-model",
        make=lambda folder: (folder / "models" / "candidate" / "MLmodel").write_text(mlmodel(signed=False)),
        says=("models/candidate has no signature that names its columns", "signature=infer_signature"),
        code=None,
    ),
    "wrong metric": Case(
        stage="evaluate-model",
        make=changed("accuracy: 0.8", "acuracy: 0.8"),
        says=("unknown metric `acuracy` (did you mean `accuracy`?)", "metrics for a binary task"),
    ),
    "no behaviour file": Case(
        stage="score-model",
        make=behaviour(None),
        says=("behaviour.yaml: no such file", "relative to working-directory"),
        code=3,
    ),
    "wrong behaviour tests": Case(
        stage="score-model",
        make=behaviour("direction:\n- columns: income\n  scores: never-falls\n"),
        says=("behaviour.yaml:3: unknown key `scores` in `direction` (did you mean `score`?)", "needs `score`"),
    ),
    "behaviour of another column": Case(
        stage="score-model",
        make=behaviour("invariance:\n- columns: [rase, sex]\n"),
        says=("behaviour.yaml:2: data/test.csv has no column `rase` (did you mean `race`?)",),
    ),
    "no known answers": Case(
        stage="score-model",
        make=behaviour("known-answers:\n- table: known.csv\n"),
        says=("known.csv: no such file",),
        code=3,
    ),
    "no registry named": Case(
        stage="score-model",
        make=registered,
        says=("no registry is configured", "Set tracking-uri or MLFLOW_TRACKING_URI"),
    ),
    "registry down": Case(
        stage="score-model",
        make=registered,
        says=("http://127.0.0.1:9 cannot be used", "Check its address"),
        code=3,
        environ=REGISTRY,
    ),
    "stage of MLflow": Case(
        stage="score-model",
        make=lambda folder: registered(folder, "models:/credit/Production"),
        says=("names no model", "Production is an MLflow stage, which MLflow has replaced by aliases"),
        environ=REGISTRY,
    ),
    "expired ignore": Case(
        stage="build-image",
        make=changed("2999-01-01", "2024-01-01", file="accepted.yaml"),
        says=("accepted.yaml: the entry CVE-2024-1 expired on 2024-01-01", "Remove it, update the package"),
        code=None,
    ),
    "no engine": Case(
        stage="build-image",
        make=without("bin/docker"),
        says=("No container engine answers", "Start or install docker, podman or buildah"),
        code=3,
    ),
    "no Trivy": Case(
        stage="build-image",
        make=without("bin/trivy"),
        says=("Trivy was not found", "https://trivy.dev"),
        code=3,
    ),
    "image name": Case(
        stage="build-image",
        make=changed("ghcr.io/owner/credit", "'Loan Approval:x y'"),
        says=("image: 'Loan Approval:x y' is not an image name", "ghcr.io/owner/model:candidate"),
    ),
    "several problems": Case(
        stage="evaluate-model",
        make=changed("minimum: {accuracy: 0.8}", "minimum: {accuracy: 80}\n  maximum-regression: {f1: -1}"),
        says=("minimum: accuracy is at least 0 and at most 1, got 80", "the tolerance of f1 must not be negative"),
    ),
    # And others that are typical of teams that work with models.
    "requirement without version": Case(
        stage="score-model",
        make=each(
            changed("scikit-learn==1.9.1", "scikit-learn", file="models/production/requirements.txt"),
            changed("target: approve", "target: approve\n  allow-code: true"),
        ),
        says=("models/production: requirements that are not pinned to one version: scikit-learn", "pip_requirements"),
    ),
    "another Python": Case(
        stage="score-model",
        make=changed("3.11.7", "3.6.1", file="models/candidate/python_env.yaml"),
        says=("was saved with Python 3.6, which is not on PATH", "Put Python 3.6 on PATH"),
        code=None,
    ),
    "column of the model": Case(
        stage="score-model",
        make=changed("age,income", "age,incom", file="data/test.csv"),
        says=("data/test.csv has no column `income` (did you mean `incom`?)", "the signature of models/candidate"),
        alone=False,
    ),
    "target of another name": Case(
        stage="score-model",
        make=changed("target: approve", "target: approved"),
        says=("data/test.csv has no column `approved` (did you mean `approve`?)",),
    ),
    "share for percent": Case(
        stage="check-code",
        make=changed("tools: [black, flake8]", "tools: [pytest]\n  minimum-coverage: 0.8"),
        says=("minimum-coverage is in percent, got 0.8 (did you mean 80?)",),
    ),
    "unknown tool": Case(
        stage="check-code",
        make=changed("[black, flake8]", "[black, pylint]"),
        says=("unknown tool `pylint`", "the tools are black"),
    ),
    "no number": Case(
        stage="validate-data",
        make=changed("schema: schema.yaml", "schema: schema.yaml\n  minimum-rows: many"),
        says=("minimum-rows: expected a whole number, got 'many'",),
    ),
    "no production": Case(
        stage="score-model",
        make=changed("  production: models/production\n", ""),
        says=("production is not set", "set bootstrap: true for a first release"),
    ),
    "only one model": Case(
        stage="evaluate-model",
        make=lambda folder: user_predictions(folder, "y_true,y_pred,race,sex"),
        says=("there is nothing to compare the candidate with", "set bootstrap: true for a first release"),
    ),
    "slice that was not kept": Case(
        stage="evaluate-model",
        make=changed("slices: [race]", "slices: [region]"),
        says=("predictions.parquet has no column `region`", "its option `keep` lists"),
        alone=False,
    ),
    "reason left out": Case(
        stage="build-image",
        make=changed("    reason: not reachable\n", "", file="accepted.yaml"),
        says=("accepted.yaml: ignore[0]: no `reason`", "An entry has id, reason and expires"),
    ),
    "half an address": Case(
        stage="deploy-model",
        make=changed("https://git.example/owner/gitops.git", "github.com/owner/gitops"),
        says=("is neither an https or ssh address nor a local folder", "Use https://host/owner/name.git"),
    ),
    "excluded from neither table": Case(
        stage="check-split",
        make=changed("score-model:\n", f"{SPLIT}\nscore-model:\n"),
        says=("neither data/train.csv nor data/test.csv has a column `incom` (did you mean `income`?)",),
    ),
    "canary of everything": Case(
        stage="deploy-model",
        make=changed("manifest: credit/values.yaml", "manifest: credit/values.yaml\n  canary-weight: 110"),
        says=("canary-weight must lie between 1 and 100, got 110",),
    ),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a sound project, which is the working directory, on a machine that has nothing but git and its own."""
    make_project(tmp_path)
    for name in ("git", "sh"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "RUNNER_", "CD4ML_", "MLFLOW_")) or name in ("CI", "VIRTUAL_ENV"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seen(folder: Path, *, here: bool = True) -> list[Mistake]:
    """Return the mistakes of a project."""
    config = read_config("cd4ml.yaml")
    context = Context(directory=folder, environ=os.environ, cache=folder / "cache")
    return list(mistakes(list(config.sections), config, context, here=here))


@pytest.mark.parametrize("here", [True, False])
def test_sound_project__nothing_is_said(project: Path, here: bool) -> None:
    """Where nothing is wrong nothing is said, here and in a plan."""
    assert seen(project, here=here) == []


def test_costs_of_decisions__nothing_is_said(project: Path) -> None:
    """A metric that the section itself declares is known early; a misspelt decision is named as by the stage."""
    costs = "decision-costs: {false-positive: 1, false-negative: 10}\n  "
    changed("minimum: {accuracy: 0.8}", f"{costs}maximum: {{decision-cost: 9}}")(project)
    assert seen(project) == []

    changed("false-positive: 1", "false-positiv: 1")(project)
    assert "unknown decision `false-positiv` (did you mean `false-positive`?)" in str(seen(project)[0].finding)


@pytest.mark.parametrize("name", CASES)
def test_mistake__is_seen(name: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the only mistake that is found; the message says what is wrong and what to do."""
    case = CASES[name]
    case.make(project)
    for variable, value in case.environ:
        monkeypatch.setenv(variable, value)

    found = seen(project)

    own = [mistake.finding for mistake in found if mistake.stage == case.stage]
    text = " ".join(map(str, own))
    assert all(part in text for part in case.says), text
    assert {finding.code and finding.code.code for finding in own} == {case.code}
    assert all("\n" not in finding.message for finding in own)
    # What two stages share is said of both: the same file, the same model.
    assert {mistake.stage for mistake in found} <= {case.stage, "evaluate-model", "audit-fairness", "build-image"}


RUN = [name for name, case in CASES.items() if case.code and case.alone]


@pytest.mark.parametrize("name", RUN)
def test_mistake__said_first_and_of_the_stage_the_same(
    name: str, project: Path, cd4ml: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run` says it before any stage; the stage then ends with the same words, the same exit code and an error."""
    case = CASES[name]
    case.make(project)
    for variable, value in case.environ:
        monkeypatch.setenv(variable, value)

    run = cd4ml("run", "--stages", case.stage, capsys=capsys)

    report = (project / "reports" / f"{case.stage}.json").read_text()
    assert run.code == case.code and '"status": "error"' in report
    assert run.stderr.startswith(f"✘ {case.stage}")
    early = re.sub(r"\s+", " ", run.stderr.partition("report:")[0])
    assert all(part in early for part in case.says), run.stderr
    said = json.loads(report)["checks"][0]
    assert all(part in f"{said['message']} {said.get('advice')}" for part in case.says), said


PLANNED = [
    "wrong metric",
    "missing data",
    "missing schema",
    "no registry named",
    "no engine",
    "no Trivy",
    "another Python",
    "target of another name",
]


@pytest.mark.parametrize("name", PLANNED)
def test_plan__does_not_refuse_what_it_cannot_see(name: str, project: Path) -> None:
    """A plan is made without the data, the models, the programs and the secrets of the stages."""
    CASES[name].make(project)

    assert seen(project, here=False) == []


@pytest.mark.parametrize("name", ["image name", "reason left out", "canary of everything", "unknown tool", "no number"])
def test_plan__refuses_what_the_repository_says(
    name: str, project: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong in the repository itself ends the plan: no job is started."""
    CASES[name].make(project)

    run = cd4ml("plan", capsys=capsys)

    assert run.code == 2 and run.stdout == ""
    assert CASES[name].says[0] in re.sub(r"\s+", " ", run.stderr)


def test_plan__required_option_may_come_later(project: Path) -> None:
    """A required option that a job sets itself is not missed in a plan; a wrong value beside it still is."""
    changed("  data: [data/train.csv, data/test.csv]\n", "  minimum-rows: many\n")(project)

    (mistake,) = seen(project, here=False)

    assert "minimum-rows" in mistake.finding.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  test-data: data/test.csv\n  predictions: predictions.parquet\n  ignore-file", "  ignore-file"),
        ("  schema: schema.yaml\n", "  schema: schema.yaml\n  training-only: approve\n"),
        ("  schema: schema.yaml\n", "  schema: schema.yaml\n  maximum-row-change: 0.5\n"),
        ("  sensitive-features: [race, sex]\n", "  sensitive-features: [race, sex]\n  task: regression\n"),
        ("repository: https://git.example/owner/gitops.git", "repository: ../gitops"),
    ],
)
def test_plan__what_belongs_to_an_option_may_come_later(project: Path, old: str, new: str) -> None:
    """What an option needs beside it a job may set itself, so only the run misses it."""
    changed(old, new)(project)

    assert seen(project, here=False) == [] and seen(project)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("manifest:", "manifset:", ("unknown option `manifset` in `deploy-model`", "did you mean `manifest`?")),
        ("build-image:", "build-images:", ("cd4ml.yaml:25: unknown section `build-images`", "`build-image`?")),
        ("  schema: schema.yaml", "\tschema: schema.yaml", ("cd4ml.yaml:7:", "spaces")),
        ("keep: [race, sex]", "keep: [race, sex", ("cd4ml.yaml:", "invalid YAML")),
        ("minimum: {accuracy: 0.8}", "minimum:", ("cd4ml.yaml:18: `minimum` in `evaluate-model` has no value",)),
    ],
)
def test_configuration__refused_before_anything(
    project: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str], old: str, new: str, says: tuple[str, ...]
) -> None:
    """What cannot be read, or nobody knows, is told with its line; nothing is run and nothing is looked at."""
    changed(old, new)(project)

    run = cd4ml("run", capsys=capsys)

    assert run.code == 2 and run.stdout == "" and not (project / "reports").exists()
    assert all(part in run.stderr for part in says), run.stderr


def test_registry__asked_once_for_every_stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a registry has is said of each model: requirements of one, an alias that nobody set of the other."""
    changed("scikit-learn==1.9.1", "scikit-learn", file="models/candidate/requirements.txt")(project)
    uri = new_store(project / "store")
    register(uri, "credit", [project / "models" / "candidate"], aliases={"challenger": "1"})
    text = (project / "cd4ml.yaml").read_text().replace("models/candidate", "models:/credit@challenger")
    (project / "cd4ml.yaml").write_text(text.replace("models/production", "models:/credit@champion"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    asked: list[list[str]] = []

    def counted(models: list[str], folder: Path, **how: Any) -> object:
        """Look, and note what was asked for."""
        asked.append(models)
        return look(models, folder, **how)

    monkeypatch.setattr("cd4ml.diagnosis.mistakes.look", counted)

    found = {(mistake.stage, str(mistake.finding)): mistake.finding.code for mistake in seen(project)}

    unpinned = "models:/credit@challenger: requirements that are not pinned to one version: scikit-learn"
    said = " ".join(text for _, text in found)
    assert {stage for stage, text in found if text.startswith(unpinned)} == {"score-model", "build-image"}
    assert "credit has the aliases challenger (version 1). For a first release set bootstrap: true." in said
    assert {code and code.code for code in found.values()} == {2, 3} and len(asked) == 1

    changed("target: approve", "target: approve\n  bootstrap: true")(project)
    assert not [mistake for mistake in seen(project) if "champion" in str(mistake.finding)]


def test_commit_on_this_machine_alone__a_warning(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A deployment of a commit that no remote has is warned of; one that was pushed is not, nor one in CI."""
    remote = tmp_path_factory.mktemp("remote")
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    name = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    for arguments in (
        ("add", "cd4ml.yaml"),
        (*name, "commit", "--quiet", "--message", "Start"),
        ("remote", "add", "origin", str(remote)),
    ):
        subprocess.run(["git", *arguments], cwd=project, check=True)

    (mistake,) = seen(project)
    assert mistake.stage == "deploy-model" and mistake.finding.code is None
    assert "on this machine alone" in str(mistake.finding) and "Push it before you deploy" in str(mistake.finding)

    subprocess.run(["git", "push", "--quiet", "origin", "HEAD:main"], cwd=project, check=True)
    subprocess.run(["git", "fetch", "--quiet"], cwd=project, check=True)
    assert seen(project) == []


def test_inputs__are_of_no_other_stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job gives the one stage that it runs is not held against the others, which take an option of that name."""
    monkeypatch.setenv("CD4ML_INPUT_IMAGE", f"ghcr.io/owner/credit@sha256:{'a' * 64}")
    monkeypatch.setenv("CD4ML_INPUT_MINIMUM_ROWS", "many")

    assert seen(project, here=False) == [] and seen(project) == []


def test_plan__needs_the_core_alone(project: Path) -> None:
    """A plan is made with cd4ml's core: none of the libraries of a stage is imported, installed or not."""
    changed("sensitive-features: [race, sex]", "sensitive-features: [race, sex]\n  minimum-group-size: 0")(project)
    absent = (
        "import importlib.abc, sys\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.partition('.')[0] in {sorted(HEAVY - {'yaml'} | {'uv'})!r}:\n"
        "            raise AssertionError(f'{name} was imported')\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from cd4ml.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    planned = subprocess.run(
        [sys.executable, "-c", absent, "plan"], cwd=project, env=environ, capture_output=True, text=True, check=False
    )

    assert planned.returncode == 2 and "minimum-group-size must be at least 1, got 0" in planned.stderr


def test_problems__one_a_line(project: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """Several problems of the configuration stand in a line each."""
    (project / "cd4ml.yaml").write_text("check-cod: {}\nvalidate-data:\n  dat: x\n  shema: y\n")

    run = cd4ml("run", capsys=capsys)

    lines = [line for line in run.stderr.splitlines() if line.startswith("cd4ml run: ")]
    assert run.code == 2 and len(lines) == 3 and all("did you mean" in line for line in lines)
