"""The recipes of docs/training.md work as they stand: their scripts, their configuration, their commands."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, Run, clean_environment, run_cd4ml
from tests.documented.test_documented import customers

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Return a folder with the data of a team, and a registry."""
    (tmp_path / "data").mkdir()
    customers(1500, seed=4).to_parquet(tmp_path / "data" / "customers.parquet", index=False)
    # In the team's own folder: a store keeps the artifacts of runs beside the place where it was made.
    command(tmp_path, "python -W ignore -c 'import mlflow; mlflow.MlflowClient().search_registered_models()'")
    return tmp_path


def blocks(heading: str) -> list[tuple[str, str]]:
    """Return the blocks of a section, each with its language."""
    text = (ROOT / "docs" / "training.md").read_text()
    section = re.split(r"^## ", text.partition(f"## {heading}")[2], maxsplit=1, flags=re.M)[0]
    return re.findall(r"```(\w+)\n(.*?)```", section, re.S)


def follow(folder: Path, heading: str) -> list[Run]:
    """Write the files of a section and run its commands; return the runs of cd4ml."""
    scripts = iter(
        re.findall(r"^`(\w+\.py)`", (ROOT / "docs" / "training.md").read_text().partition(f"## {heading}")[2], re.M)
    )
    runs = []
    for language, text in blocks(heading):
        if language == "python":
            (folder / next(scripts)).write_text(text)
        elif language == "yaml":
            (folder / "cd4ml.yaml").write_text(text)
        else:
            for line in re.findall(r"^\$ (.*)$", text, re.M):
                runs += command(folder, line)
    return runs


def command(folder: Path, line: str) -> list[Run]:
    """Run one line of a console; return the run of cd4ml, if it is one."""
    words = shlex.split(line)
    environ = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true"}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    if words[0] == "cd4ml":
        return [run_cd4ml(folder, *words[1:], env=environ)]
    assert words[0] == "python"
    ended = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env=clean_environment(**environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return []


def statuses(folder: Path) -> dict[str, str]:
    """Return the verdicts of the stages that ran."""
    stages = json.loads((folder / "reports" / "pipeline.json").read_text())["stages"]
    return {stage["stage"]: stage["status"] for stage in stages if stage["status"] != "skipped"}


def test_tables_only__then_compared_with_the_last_release(team: Path) -> None:
    """A table alone is judged; once the last release's table lies beside it, the next one is compared with it."""
    (first,) = follow(team, "Tables only")
    assert first.code == 0, first.stdout + first.stderr
    assert statuses(team) == {"evaluate-model": "passed", "audit-fairness": "passed"}

    script = (team / "predict.py").read_text()
    (team / "weaker.py").write_text(script.replace('["age", "income"]', '["age"]'))
    command(team, "python weaker.py")
    (team / "release").mkdir()
    shutil.move(team / "predictions.parquet", team / "release")
    command(team, "python predict.py")
    config = team / "cd4ml.yaml"
    config.write_text("\n".join(line for line in config.read_text().splitlines() if "bootstrap" not in line))
    (second,) = command(team, "cd4ml evaluate-model --maximum-regression accuracy=0.02")

    assert second.code == 0, second.stdout + second.stderr
    assert "regression:accuracy" in {item["id"] for item in second.report["checks"]}


def test_in_the_pull_request__a_folder_is_scored_and_judged(team: Path) -> None:
    """A model that the pull request trained passes score-model, evaluate-model and audit-fairness from its folder."""
    (run,) = follow(team, "In the pull request")

    assert run.code == 0, run.stdout + run.stderr
    assert set(statuses(team).values()) == {"passed"}


def test_outside__an_alias_for_each_pull_request(team: Path) -> None:
    """Two trainings register two versions; the pull request's own alias is what is judged against production."""
    frame = customers(1500, seed=5)
    frame.head(900).to_parquet(team / "data" / "train.parquet", index=False)
    frame.tail(600).to_parquet(team / "data" / "test.parquet", index=False)
    script = next(text for language, text in blocks("Outside") if language == "python")
    (team / "first.py").write_text(script.replace("max_iter=1000", "max_iter=1000, C=0.0001"))
    command(team, "PULL_REQUEST=16 python first.py")
    alias = "import mlflow; mlflow.MlflowClient().set_registered_model_alias('credit', 'champion', '1')"
    command(team, f"python -c {shlex.quote(alias)}")

    (run,) = follow(team, "Outside")

    assert run.code == 0, run.stdout + run.stderr
    assert (run.report["candidate"]["version"], run.report["production"]["version"]) == ("2", "1")


def test_to_look_first__the_configuration_is_known(team: Path) -> None:
    """A limit for one feature and `on-failed: warn` are options, and what fails ends with 0 and is not passed."""
    ((_, text),) = blocks("To look first")
    (team / "cd4ml.yaml").write_text(text.replace("age_group: 0.6", "age_group: 1.0"))
    frame = customers(1500, seed=6)
    frame = frame.assign(y_pred=frame["approved"], y_true=frame["approved"], age_group=frame["age"].gt(45).astype(str))
    frame.loc[frame["age_group"] == "True", "y_pred"] = 0
    frame.to_parquet(team / "predictions.parquet", index=False)

    (run,) = command(team, "cd4ml audit-fairness")

    assert (run.code, run.report["status"]) == (0, "failed"), os.linesep.join([run.stdout, run.stderr])


def test_recipes__pyfunc(team: Path) -> None:
    """A model that is code of its own, saved as the recipe says, is scored: its decisions and its scores."""
    recipes = blocks("Recipes by framework")
    (script,) = [text for language, text in recipes if language == "python" and "class Policy" in text]
    (configuration,) = [text for language, text in recipes if language == "yaml"]
    (team / "policy.py").write_text(script)
    (team / "cd4ml.yaml").write_text(configuration)
    command(team, "python -W ignore policy.py")

    (run,) = command(team, "cd4ml score-model")

    assert run.code == 0, run.stdout + run.stderr
    assert {"y_true", "y_pred", "y_score"} <= set(pd.read_parquet(team / "predictions.parquet").columns)


def test_recipes__are_programs() -> None:
    """The recipes for libraries that are not installed here parse, and save a model with a signature."""
    programs = [text for language, text in blocks("Recipes by framework") if language == "python"]

    assert len(programs) == 4
    for text in programs:
        saved = [node for node in ast.walk(ast.parse(text)) if getattr(node, "attr", "") == "save_model"]
        assert len(saved) == 1 and "signature=signature" in text
