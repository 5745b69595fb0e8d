"""The action files and the shell behind them, without act: what the platform's own runner would read out of them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import pandas as pd
import pytest

from cd4ml.inputs.options import Kind, declared
from cd4ml.stages import STAGES, declaration
from tests import reports
from tests.actions.consumer import make_consumer
from tests.actions.step import Runner, read_action
from tests.conftest import ROOT

ACTIONS: Final = ("cd4ml", "plan", "report", *STAGES)
VERDICT: Final = {"status", "passed", "warned", "report"}
HOSTILE: Final = [
    "a\n::set-output name=passed::true",
    "b ##[set-output name=passed]true",
    "c\r::add-mask::true",
    "##[add-mask]passed",
    "d\u202e::error::x",
    "cd4ml-delimiter<<EOF\npassed=true\nEOF",
    "::stop-commands::x",
    "e\u0085::set-env name=LD_PRELOAD::x",
    "`f` | <img src=x> @org/team",
]
INJECTIONS: Final = [
    "$(touch {marker})",
    "`touch {marker}`",
    '";touch {marker};#',
    'zzz";touch${{IFS}}{marker};#',
    "'; touch {marker} #",
    "--help; touch {marker}",
    "--output={marker}",
    "|touch {marker}",
    "x\ntouch {marker}\n",
    "${{{{ github.token }}}}",
]


def folder_of(action: str) -> Path:
    """Return the folder of an action in this working tree."""
    return ROOT if action == "cd4ml" else ROOT / "actions" / action


@pytest.mark.parametrize("action", [*ACTIONS, "comment"])
def test_action_file__contract(action: str) -> None:
    """Every input reaches the step by its own variable and no other way; none has a default; outputs are the step's."""
    document = read_action(folder_of(action))
    (step,) = document["runs"]["steps"]

    expected = {
        f"CD4ML_INPUT_{name.replace('-', '_').upper()}": f"${{{{ inputs.{name} }}}}" for name in document["inputs"]
    }
    assert step["env"] == expected
    assert "${{" not in step["run"] and step["shell"] == "bash"
    assert all(
        set(given) == {"description", "required"} and not given["required"] for given in document["inputs"].values()
    )
    assert {name: output["value"] for name, output in document["outputs"].items()} == {
        name: f"${{{{ steps.{step['id']}.outputs.{name} }}}}" for name in document["outputs"]
    }
    assert action in ("plan", "report", "comment") or VERDICT <= set(document["outputs"])


@pytest.mark.parametrize("stage", STAGES)
def test_action_file__every_option(stage: str) -> None:
    """An action has every option of its stage as an input, and every output that the stage declares."""
    document = read_action(folder_of(stage))
    module = declaration(stage)

    assert {option.name for option in declared(module.Options)} <= set(document["inputs"])
    assert set(document["outputs"]) == VERDICT | set(module.OUTPUTS)


@pytest.mark.parametrize("action", ACTIONS)
def test_no_inputs_no_config__error(runner: Runner, action: str) -> None:
    """An action that is given nothing passes nothing: it ends with an error, which outputs and annotation say."""
    step = runner.run(action)

    assert step.code in (2, 3)
    assert (step.outputs["status"], step.outputs["passed"]) == ("error", "false")
    assert {command.name for command in step.commands} == {"error"}
    assert not step.files["GITHUB_ENV"] and not step.files["GITHUB_PATH"] and not step.files["GITHUB_STATE"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("everything", [True, False], ids=["every-input", "texts-only"])
def test_inputs__never_run(runner: Runner, tmp_path: Path, action: str, everything: bool) -> None:
    """No input is ever run by a shell, becomes an option of a program, or sets an output."""
    marker = tmp_path / "marker"
    names = [name for name in read_action(folder_of(action))["inputs"] if everything or _is_text(action, name)]
    for payload in INJECTIONS[:: 5 if everything else 2]:
        step = runner.run(action, None, {name: payload.format(marker=marker) for name in names})

        assert not marker.exists(), payload
        assert step.code not in (0, 70), step.stderr
        assert step.outputs["passed"] == "false"
        assert {command.name for command in step.commands} <= {"error", "warning"}


def _is_text(action: str, name: str) -> bool:
    """Whether an input of a stage is a text of its own; so it gets past the reading of options."""
    if action not in STAGES:
        return name == "stages"
    return any(option.name == name and option.kind is Kind.TEXT for option in declared(declaration(action).Options))


def test_data__never_a_command(runner: Runner) -> None:
    """Hostile column names, cells, file names and group names neither run commands nor change an output."""
    make_consumer(runner.workspace)
    data = pd.DataFrame({"row_id": range(len(HOSTILE)), "amount": [-1.0] * len(HOSTILE), "text": HOSTILE})
    for name in HOSTILE:
        data[name] = name
    table = runner.workspace / "::set-output name=passed::true ##[add-mask]x.parquet"
    data.to_parquet(table, index=False)
    decisions = pd.DataFrame(
        {"y_true": 1, "y_pred": [0, 1] * 450, "sex": [name for name in HOSTILE for _ in range(100)]}
    )
    decisions.loc[:99, "y_pred"] = 0
    decisions.to_parquet(runner.workspace / "predictions.parquet", index=False)

    for step in (
        runner.run("validate-data", data=str(table), include_values="true"),
        runner.run("audit-fairness"),
        runner.run("evaluate-model", columns="y_true=" + HOSTILE[1]),
    ):
        assert step.code in (1, 2), step.stderr
        assert step.outputs["passed"] == "false"
        assert {command.name for command in step.commands} == {"error"}
        assert not any("\n" in line for line in step.outputs["report"].splitlines())


def test_thousands_of_failures__within_limits(runner: Runner) -> None:
    """Thousands of failed checks of several stages leave a summary under 1 MiB and ten annotations of a type."""
    make_consumer(runner.workspace)
    names = [f"column-{number}-{'x' * 300}" for number in range(3000)]
    columns = "\n".join(f"  {name}: {{dtype: float64, greater_than_or_equal_to: 0.0}}" for name in names)
    (runner.workspace / "schema.yaml").write_text(f"schema_type: dataframe\napi: pandas\ncolumns:\n{columns}\n")
    pd.DataFrame(-1.0, index=range(3), columns=names).to_parquet(runner.workspace / "data.parquet", index=False)
    config = (runner.workspace / "cd4ml.yaml").read_text().replace("data.csv", "data.parquet")
    (runner.workspace / "cd4ml.yaml").write_text(config.replace("accuracy: 0.80", "accuracy: 0.99"))

    step = runner.run("cd4ml", stages="validate-data,evaluate-model")

    assert step.code == 1 and step.outputs["status"] == "failed"
    assert len(step.files["GITHUB_STEP_SUMMARY"].encode()) < 1024 * 1024
    assert "more checks in the JSON report" in step.files["GITHUB_STEP_SUMMARY"]
    assert sum(command.name == "error" for command in step.commands) == 10
    report = json.loads((runner.workspace / "reports" / "validate-data.json").read_text())
    assert sum(check["status"] == "failed" for check in report["checks"]) >= 3000


def test_action_folder_and_workspace__unchanged(runner: Runner) -> None:
    """A run writes its reports and nothing else: not into the action's folder, which runners may share."""
    make_consumer(runner.workspace)
    before = listing(runner.suite), listing(runner.workspace)

    assert runner.run("audit-fairness").code == 0
    shutil.rmtree(runner.workspace / "reports")
    assert (listing(runner.suite), listing(runner.workspace)) == before


def listing(folder: Path) -> dict[str, int]:
    """Return every file of a folder with the time of its last change."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def test_callers_python__cannot_interfere(runner: Runner, tmp_path: Path) -> None:
    """Neither the caller's variables and settings nor modules in the workspace reach cd4ml or its installation."""
    make_consumer(runner.workspace)
    for name in ("json", "argparse", "yaml", "cd4ml", "sitecustomize"):
        (runner.workspace / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    (runner.workspace / "uv.toml").write_text("exclude-newer = '2000-01-01'\nno-binary = true\n")
    (runner.workspace / "pyproject.toml").write_text("[tool.uv]\nrequired-version = '==0.0.1'\n")
    hostile = {
        "PYTHONPATH": str(runner.workspace),
        "PYTHONHOME": "/nowhere",
        "PYTHONSTARTUP": "json.py",
        "VIRTUAL_ENV": "/nowhere",
        "CONDA_PREFIX": "/nowhere",
        "UV_PYTHON": "3.99",
        "UV_SYSTEM_PYTHON": "1",
        "UV_EXCLUDE_NEWER": "2000-01-01",
        "UV_CONSTRAINT": "/nowhere",
        "UV_REQUIRE_HASHES": "0",
        "UV_TARGET": "/nowhere",
        "UV_CONFIG_FILE": "/nowhere",
        "PIP_TARGET": "/nowhere",
        "PIP_CONSTRAINT": "/nowhere",
    }
    fresh = replace(runner, temp=tmp_path / "fresh temp")

    step = fresh.run("plan", env=hostile)

    assert step.code == 0, step.stderr
    assert json.loads(step.outputs["stages"])[0] == "check-code"


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false", "touch marker"])
def test_named_python_unusable__error(runner: Runner, python: str) -> None:
    """A Python that was named and does not work is an error, never replaced by another; the outputs say so."""
    step = runner.run("validate-data", env={"CD4ML_PYTHON_EXECUTABLE": python})

    assert step.code == 3
    assert step.outputs == {"status": "error", "passed": "false"}
    assert [command.name for command in step.commands] == ["error"]
    assert not (runner.workspace / "marker").exists()


def test_no_python__error(runner: Runner, tmp_path: Path) -> None:
    """Without any Python the outputs say `error` and the annotation what to add."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "dirname", "env", "mkdir"):
        (programs / name).symlink_to(str(shutil.which(name)))

    step = runner.run("validate-data", env={"PATH": str(programs)})

    assert (step.code, step.outputs) == (3, {"status": "error", "passed": "false"})
    assert "setup-python" in step.commands[0].data


def test_report__page(runner: Runner, tmp_path: Path) -> None:
    """The action that writes the page installs what draws its pictures, and gives the page's path to later steps."""
    reports.write(runner.workspace / "reports", "check-code")

    step = runner.run("report")

    assert step.code == 0, step.stderr
    assert Path(step.outputs["page"]).read_text().startswith("<!doctype html>")
    (runner.workspace / "reports" / "check-code.json").unlink()
    refused = runner.run("report")
    assert refused.code == 2 and "page" not in refused.outputs
    assert [command.name for command in refused.commands] == ["error"]


def test_installation_fails__error_then_heals(runner: Runner, tmp_path: Path) -> None:
    """Without packages the outputs say `error` and nothing half-made stays; the next run works."""
    fresh = replace(runner, temp=tmp_path / "fresh temp")
    offline = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}

    step = fresh.run("plan", env=offline)

    assert (step.code, step.outputs) == (3, {"status": "error", "passed": "false"})
    assert not [path for path in fresh.temp.iterdir() if path.is_dir()]
    make_consumer(fresh.workspace)
    assert fresh.run("plan").code == 0


def test_changed_hash__refused(runner: Runner, tmp_path: Path) -> None:
    """A package that is not the locked one is not installed."""
    copy = tmp_path / "changed"
    shutil.copytree(runner.suite, copy, ignore=shutil.ignore_patterns(".git"))
    lock = copy / "requirements" / "core.txt"
    zeros = "sha256:" + "0" * 64
    lines = [line.split("--hash=")[0] + f"--hash={zeros}" if "--hash=" in line else line for line in _one_hash(lock)]
    lock.write_text("\n".join(lines) + "\n")

    step = replace(runner, suite=copy, temp=tmp_path / "fresh temp").run("plan")

    assert (step.code, step.outputs) == (3, {"status": "error", "passed": "false"})


def _one_hash(lock: Path) -> list[str]:
    """Return a lock file's lines with the first hash of each package only."""
    lines = [line.rstrip(" \\") for line in lock.read_text().splitlines() if not line.strip().startswith("#")]
    kept = [line for before, line in itertools.pairwise(["", *lines]) if not ("--hash" in before and "--hash" in line)]
    return [f"{line} \\" if "==" in line else line for line in kept]


def test_two_steps_at_once__both_work(runner: Runner, tmp_path: Path) -> None:
    """Two steps that start together on a new machine share one environment and both work."""
    runners = []
    for number in range(2):
        workspace = make_consumer(tmp_path / f"workspace {number}")
        files = tmp_path / f"files {number}"
        runners.append(replace(runner, temp=tmp_path / "fresh temp", workspace=workspace, files=files))
    with ThreadPoolExecutor() as pool:
        steps = list(pool.map(lambda one: one.run("plan"), runners))

    assert [step.code for step in steps] == [0, 0], steps[0].stderr + steps[1].stderr
    assert len([path for path in (tmp_path / "fresh temp").iterdir() if path.is_dir()]) == 1


def test_outside_a_workflow__works(suite: Path, runner_temp: Path, tmp_path: Path) -> None:
    """The script also runs where there is no platform: without output file, summary or annotations."""
    make_consumer(tmp_path / "project")
    kept = ("PATH", "HOME", "SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    result = subprocess.run(
        ["bash", str(suite / "actions" / "run-stage.sh"), "audit-fairness"],
        cwd=tmp_path / "project",
        env={**env, "RUNNER_TEMP": str(runner_temp)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert "::" not in result.stdout + result.stderr


@pytest.mark.parametrize("system", ["msys", "cygwin"])
def test_windows__is_refused(system: str, suite: Path, tmp_path: Path) -> None:
    """Under Git Bash one message says what to do instead, the outputs say `error`, and nothing is installed."""
    output = tmp_path / "output"
    env = {
        "PATH": os.environ["PATH"],
        "OSTYPE": system,
        "GITHUB_OUTPUT": str(output),
        "RUNNER_TEMP": str(tmp_path / "temp"),
    }
    command = ["bash", str(suite / "actions" / "run-stage.sh"), "audit-fairness"]
    for more in ({}, {"GITHUB_ACTIONS": "true"}):
        result = subprocess.run(command, cwd=tmp_path, env={**env, **more}, capture_output=True, text=True, check=False)
        said = (result.stdout + result.stderr).splitlines()

        assert result.returncode == 2 and len(said) == 1 and "On Windows use WSL" in said[0]
        assert said[0].startswith("::error " if more else "cd4ml audit-fairness: ")
    assert output.read_text() == "status=error\npassed=false\n" * 2 and not (tmp_path / "temp").exists()
