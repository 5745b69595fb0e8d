"""`cd4ml init`: repositories of four makes get their first gates, and nothing that a repository holds breaks it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest
import yaml

from cd4ml.commands.project import read_config
from cd4ml.errors import UnavailableError
from cd4ml.render.comment.body import NAME
from cd4ml.writing import write_together
from tests import models, registries
from tests.actions.act import commit
from tests.conftest import ROOT, Run, clean_environment, need_program, run_cd4ml
from tests.ports import free_port
from tests.project import makes
from tests.project.makes import write

pytestmark = pytest.mark.timeout(600)
Cli = Callable[..., Run]
WORKFLOW: Final = ".github/workflows/model.yml"
ROWS: Final = "age,sex,approved\n" + "30,f,1\n40,m,0\n" * 40
# What YAML, a workflow or a terminal could take for more than a name.
HOSTILE: Final = (
    "${{ secrets.TOKEN }}",
    "a: b",
    "x\ny: z",
    "x\u2028y: z",
    "x\x85y: z",
    "#no",
    "'\"",
    "*all",
    "&a",
    "!!python/object/apply:os.system [id]",
    "::error::x",
    "\x1b[31mred",
    "no",
    "010",
    "- a",
    "}}",
)


@pytest.fixture(autouse=True)
def active(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the environment of the tests the active one, so that check-code needs no copies of tools."""
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)


def init(folder: Path, *arguments: str) -> Run:
    """Run `cd4ml init --yes` as a process of its own."""
    return run_cd4ml(folder, "init", "--yes", *arguments)


def files(folder: Path) -> set[str]:
    """Return the files of a folder, without git's."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {name for name in found if not name.startswith((".git/", "reports/"))}


def configuration(folder: Path) -> dict[str, Any]:
    """Return cd4ml.yaml as stages read it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return {name: dict(section) for name, section in read_config("cd4ml.yaml").sections.items()}
    finally:
        os.chdir(before)


def statuses(run: Run) -> dict[str, str]:
    """Return the verdicts of the table at the end of a run."""
    return dict(re.findall(r"^. ([a-z]+-[a-z]+) +(passed|failed|error|inconclusive)\b", run.stdout, re.M))


def test_sklearn_and_csv__limits_from_its_own_predictions(tmp_path: Path) -> None:
    """A script with a CSV gets gates for data and for the predictions that it writes; only its format is red."""
    folder = makes.sklearn_and_csv(tmp_path / "loans")
    before = files(folder)

    run = init(folder)

    assert run.code == 0, run.stderr
    assert files(folder) - before == {"cd4ml.yaml", "schema.yaml", WORKFLOW}
    found = configuration(folder)
    assert found["check-code"]["tools"] == ["black"]
    assert found["validate-data"]["data"] == ["Data/loans.csv"]
    assert found["evaluate-model"]["minimum"] == {"accuracy": 0.86} and found["evaluate-model"]["bootstrap"] is True
    assert found["audit-fairness"]["sensitive-features"] == ["sex", "age"]
    assert statuses(run) == {
        "check-code": "failed",
        "validate-data": "passed",
        "evaluate-model": "passed",
        "audit-fairness": "passed",
    }
    assert "predictions.parquet" not in (folder / ".gitignore").read_text()
    assert (folder / ".gitignore").read_text() == "__pycache__/\n\n# Results of cd4ml\nreports/\n"


def test_xgboost_and_mlflow__limits_from_production(tmp_path: Path) -> None:
    """The registry that the code names is asked; production is scored for today's numbers, and both are gated."""
    frame = makes.people(900, seed=1)
    for name, rows in (("old", 150), ("new", 900)):
        models.save(models.classifier(frame.head(rows)), tmp_path / name, frame[makes.FEATURES])
    store = registries.new_store(tmp_path / "store")
    versions = [tmp_path / "old", tmp_path / "new"]
    registries.register(store, "xgb_credit", versions, aliases={"production": "1"})
    with registries.server(store, tmp_path / "server") as address:
        folder = makes.xgboost_and_mlflow(tmp_path / "credit", address)
        run = init(folder)

    assert run.code == 0, run.stderr
    found = configuration(folder)
    assert found["score-model"] == {
        "candidate": "models:/xgb_credit/2",
        "production": "models:/xgb_credit@production",
        "test-data": "data/test.csv",
        "target": "approve",
        "keep": ["age", "sex"],
    }
    assert found["check-split"] == {"train-data": "data/train.csv", "test-data": "data/test.csv", "target": "approve"}
    assert 0.85 < found["evaluate-model"]["minimum"]["accuracy"] < 0.95
    assert "accuracy is 0.948 today (models:/xgb_credit@production, 500 rows" in " ".join(
        (folder / "cd4ml.yaml").read_text().replace("#", "").lower().split()
    )
    judged = statuses(run)
    assert [judged[name] for name in ("check-split", "score-model", "evaluate-model")] == ["passed"] * 3
    assert judged["audit-fairness"] == "failed" and "age=<25" in run.stdout  # the young are selected less often
    assert "${{ vars.MLFLOW_TRACKING_URI }}" in (folder / WORKFLOW).read_text()
    assert address not in (folder / WORKFLOW).read_text()


def test_src_layout_with_ruff__green(tmp_path: Path) -> None:
    """A package is checked by its own tools, and tables that are split by columns are not taken for whole ones."""
    folder = makes.src_layout(tmp_path / "bikes")

    run = init(folder)

    assert run.code == 0, run.stderr
    found = configuration(folder)
    assert found["check-code"] == {"paths": ["src", "tests"], "tools": ["ruff-format", "ruff", "pytest"]}
    assert found["validate-data"]["data"] == ["data/inputs_train.parquet", "data/inputs_test.parquet"]
    assert statuses(run) == {"check-code": "passed", "validate-data": "passed"}
    assert "check-split is left out: which column is the target" in (folder / "cd4ml.yaml").read_text()
    assert "`approve` stands in data/targets_test.parquet" in run.stdout
    written = (folder / WORKFLOW).read_text()
    assert "pip install . --group dev" in written and 'python-version: "3.11"' in written


def test_dvc__data_by_their_pins(tmp_path: Path) -> None:
    """Data that git ignores are found by DVC's lock file, and the workflow pulls them from their remote."""
    folder = makes.dvc(tmp_path / "churn")

    run = init(folder)

    assert run.code == 0, run.stderr
    pins = ["dvc.lock:data/processed/train.csv", "dvc.lock:data/processed/test.csv"]
    found = configuration(folder)
    assert found["validate-data"]["data"] == pins
    assert [found["check-split"][name] for name in ("train-data", "test-data")] == pins
    assert statuses(run) == {"check-code": "passed", "validate-data": "passed", "check-split": "passed"}
    assert "      - run: pip install 'dvc[s3]'\n      - run: dvc pull\n" in (folder / WORKFLOW).read_text()


def test_dvc__data_that_were_not_pulled(tmp_path: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the data are not here, validate-data is left out, and it is said what to do."""
    write(tmp_path, {"a.py": "", "train.csv.dvc": "outs:\n- md5: a\n  path: train.csv\n"})

    run = cd4ml("init", "--yes", "--no-run", capsys=capsys)

    assert run.code == 0 and "dvc pull" in run.stdout
    assert "validate-data" not in configuration(tmp_path) and not (tmp_path / "schema.yaml").exists()


def test_registry_is_down__no_limit_is_made_up(cd4ml: Cli, tmp_path: Path) -> None:
    """Without today's numbers limits are those of a model that has learned nothing, and it is said why."""
    makes.xgboost_and_mlflow(tmp_path, f"http://127.0.0.1:{free_port()}")

    assert cd4ml("init", "--yes", "--no-run").code == 0
    found, text = configuration(tmp_path), (tmp_path / "cd4ml.yaml").read_text()

    share = pd.read_csv(tmp_path / "data" / "test.csv")["approve"].value_counts(normalize=True).max()
    assert found["evaluate-model"]["minimum"] == {"accuracy": int(share * 1000) / 1000}
    assert "What the registry has is not known" in text and "Always answering" in text


def test_credentials__stay_here(cd4ml: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that only the repository names does not get the user's password."""
    seen: dict[str, str] = {}

    def versions(name: str, *, tracking_uri: str | None, environ: dict[str, str]) -> None:
        seen.update(environ)
        raise UnavailableError("down")

    monkeypatch.setattr("cd4ml.project.models.versions", versions)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2hunter2")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    makes.xgboost_and_mlflow(tmp_path, "http://evil.example")

    assert cd4ml("init", "--yes", "--no-run").code == 0
    assert seen["MLFLOW_TRACKING_URI"] == "http://evil.example" and "MLFLOW_TRACKING_PASSWORD" not in seen


def test_dry_run__writes_nothing(cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run prints every file whole and leaves the folder as it was."""
    write(tmp_path, {"train.csv": ROWS})

    run = cd4ml("init", "--dry-run", capsys=capsys)

    assert run.code == 0 and files(tmp_path) == {"train.csv"}
    for line in ("+ validate-data:", "+   approved:", "+ permissions: {}", "+ reports/"):
        assert line in run.stdout


@pytest.mark.parametrize("name", ["cd4ml.yaml", "schema.yaml", WORKFLOW])
def test_existing_file__is_not_overwritten(cd4ml: Cli, tmp_path: Path, name: str) -> None:
    """One of the files being there stops it before anything is written; with --force it is replaced."""
    write(tmp_path, {"train.csv": ROWS, name: "mine\n"})

    assert cd4ml("init", "--yes", "--no-run").code == 2
    assert files(tmp_path) == {"train.csv", name} and (tmp_path / name).read_text() == "mine\n"

    assert cd4ml("init", "--yes", "--no-run", "--force").code == 0
    assert (tmp_path / name).read_text() != "mine\n"


def test_second_run__is_refused_and_with_force_the_same(cd4ml: Cli, tmp_path: Path) -> None:
    """The files of one run stop the next; replaced, they are the same, and .gitignore gets its lines once."""
    write(tmp_path, {"train.csv": ROWS})
    assert cd4ml("init", "--yes", "--no-run").code == 0
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}

    assert cd4ml("init", "--yes", "--no-run").code == 2
    assert cd4ml("init", "--yes", "--no-run", "--force").code == 0
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.parametrize(
    ("made", "arguments", "words"),
    [
        ({}, (), "nothing to check here"),
        ({"README.md": "x"}, (), "nothing to check here"),
        ({"a/pyproject.toml": "", "b/pyproject.toml": "", "a/x.py": "", "b/x.py": ""}, (), "2 projects lie here: a, b"),
        ({"a.py": ""}, ("--data", "nowhere.csv"), "nowhere.csv: it cannot be read as a table"),
        ({"train.csv": ROWS}, ("--target", "approve"), "did you mean `approved`?"),
        ({"a.py": ""}, ("--actions", "evil.example/x@${{ y }}"), "expected OWNER/cd4ml@RELEASE"),
        ({"a.py": ""}, ("--data", "a.csv,b.csv"), "name one table"),
        ({"a.py": ""}, ("--nope",), "unknown option `--nope`"),
    ],
)
def test_what_is_refused(
    cd4ml: Cli,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    made: dict[str, str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    """What cannot be proposed from ends with exit code 2, one message, and nothing written."""
    write(tmp_path, made)

    run = cd4ml("init", "--yes", *arguments, capsys=capsys)

    assert run.code == 2 and words in run.stderr
    assert files(tmp_path) == {*made}


@pytest.mark.parametrize(
    ("made", "table"),
    [({}, "predictions.parquet"), ({"out.csv": "y_true,y_pred\n" + "1,1\n0,1\n" * 20}, "out.csv")],
    ids=["to-be-written", "there"],
)
def test_comments__name_one_table(cd4ml: Cli, tmp_path: Path, made: dict[str, str], table: str) -> None:
    """What is to be added for each stage that is left out names the same table of predictions."""
    write(tmp_path, {"train.csv": "age,approved\n30,1\n40,0\n" * 20, **made})

    assert cd4ml("init", "--yes", "--no-run").code == 0
    text = (tmp_path / "cd4ml.yaml").read_text()

    assert {*re.findall(r"predictions: (\S+)", text)} == {table}
    assert len(re.findall(r"predictions: ", text)) == 2


def test_audit__of_columns_that_the_predictions_have(cd4ml: Cli, tmp_path: Path) -> None:
    """A sensitive column of the test rows that the predictions lack is named, and not audited."""
    rows = "".join(f"{20 + n % 40},{'f' if n % 2 else 'm'},{n % 3 % 2}\n" for n in range(200))
    judged = "".join(f"{n % 3 % 2},{n % 2},{'f' if n % 2 else 'm'}\n" for n in range(200))
    write(
        tmp_path,
        {
            "train.csv": "age,sex,approved\n" + rows,
            "test.csv": "age,sex,approved\n" + rows,
            "predictions.csv": "y_true,y_pred,sex\n" + judged,
        },
    )

    assert cd4ml("init", "--yes", "--no-run", "--target", "approved").code == 0
    assert configuration(tmp_path)["audit-fairness"]["sensitive-features"] == ["sex"]
    assert "Not in predictions.csv, so not audited: age" in (tmp_path / "cd4ml.yaml").read_text().replace("\n  # ", " ")


def test_notebooks_alone(cd4ml: Cli, tmp_path: Path) -> None:
    """A notebook names table and target; there is no code to check."""
    cell = '{"cells": [{"cell_type": "code", "source": ["df = pd.read_csv(\'d.csv\')\\n", "y = df[\'approved\']"]}]}'
    write(tmp_path, {"eda.ipynb": cell, "d.csv": ROWS})

    assert cd4ml("init", "--yes", "--no-run").code == 0
    assert set(configuration(tmp_path)) == {"validate-data"}
    assert "check-code is left out" in (tmp_path / "cd4ml.yaml").read_text()


def test_tracked_file_that_is_gone__is_not_used(cd4ml: Cli, tmp_path: Path) -> None:
    """A file that git tracks and that was deleted since is installed by no step of the workflow."""
    write(tmp_path, {"train.csv": ROWS, "requirements.txt": "pandas\n"})
    commit(tmp_path)
    (tmp_path / "requirements.txt").unlink()

    assert cd4ml("init", "--yes", "--no-run").code == 0
    assert "requirements.txt" not in (tmp_path / WORKFLOW).read_text()


def test_project_of_a_monorepo(tmp_path: Path) -> None:
    """A project below the repository's own folder gets its own workflow there, which works in its folder."""
    write(tmp_path, {"models/credit/train.csv": ROWS, "models/churn/a.py": ""})
    commit(tmp_path)

    assert init(tmp_path, "--no-run", "--working-directory", "models/credit").code == 0
    assert init(tmp_path, "--no-run", "--working-directory", "models/churn").code == 0
    flow = yaml.safe_load((tmp_path / ".github/workflows/model-models-credit.yml").read_text())

    assert (tmp_path / ".github/workflows/model-models-churn.yml").exists()
    assert (tmp_path / "models/credit/cd4ml.yaml").exists() and not (tmp_path / "cd4ml.yaml").exists()
    steps = flow["jobs"]["gates"]["steps"]
    (gate,) = [step for step in steps if step.get("uses", "").startswith("OWNER/cd4ml@")]
    assert gate["with"] == {"working-directory": "models/credit"}


def test_folder_of_reports(tmp_path: Path) -> None:
    """A folder whose name ends like an artifact's gets a pipeline with a name that the comment takes."""
    write(tmp_path, {"churn-report/train.csv": ROWS})
    commit(tmp_path)

    assert init(tmp_path, "--no-run", "--working-directory", "churn-report").code == 0
    flow = yaml.safe_load((tmp_path / ".github/workflows/model-churn-report.yml").read_text())

    download, comment = flow["jobs"]["comment"]["steps"]
    assert NAME.fullmatch(comment["with"]["name"])
    assert download["with"]["pattern"] == f"{comment['with']['name']}-report-*"


@pytest.mark.parametrize("name", ["${{ github.token }}", "a b", "x;y"])
def test_folder_that_a_workflow_cannot_name(tmp_path: Path, name: str) -> None:
    """A folder whose name a workflow would evaluate or split is refused, and nothing is written."""
    write(tmp_path, {f"{name}/train.csv": ROWS})
    commit(tmp_path)

    run = init(tmp_path, "--no-run", "--working-directory", name)

    assert run.code == 2 and "cannot safely name this folder" in run.stderr
    assert files(tmp_path) == {f"{name}/train.csv"}


def test_hostile_header__is_inert(cd4ml: Cli, tmp_path: Path) -> None:
    """Column names that look like YAML, expressions or commands are names in every file, and of the right columns."""
    frame = pd.DataFrame({name: [1.5, 2.5] * 20 for name in HOSTILE} | {"sex": ["f", "m"] * 20})
    frame["target"] = [0, 1] * 20
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.to_csv(tmp_path / "test.csv", index=False)

    assert cd4ml("init", "--yes", "--no-run").code == 0
    schema = yaml.safe_load((tmp_path / "schema.yaml").read_text())
    flow = (tmp_path / WORKFLOW).read_text()

    assert set(schema["columns"]) == {*HOSTILE, "sex", "target"} and schema["strict"] is True
    assert set(configuration(tmp_path)) == {"validate-data"}
    assert {*re.findall(r"\$\{\{(.*?)\}\}", flow)} == {
        " !cancelled() ",
        " !cancelled() && github.event_name == 'pull_request' ",
        " github.token ",
    }
    for path in (tmp_path / "cd4ml.yaml", tmp_path / "schema.yaml", tmp_path / WORKFLOW):
        assert "\x1b" not in path.read_text() and "\x85" not in path.read_text()
    assert cd4ml("validate-data").code == 0


@pytest.mark.parametrize("name", ["${{ secrets.X }}", "a, b", "x: y", "#a", "'\"", "-a", "no", "*"])
def test_hostile_target_and_feature__are_inert(cd4ml: Cli, tmp_path: Path, name: str) -> None:
    """A target and a sensitive feature of such names come back from the configuration as they are."""
    frame = pd.DataFrame({f"{name} sex": ["f", "m"] * 50, name: ["u", "v", "v", "u"] * 25, "x": range(100)})
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.to_csv(tmp_path / "test.csv", index=False)
    write(tmp_path, {"model/MLmodel": "flavors: {}\n"})

    assert cd4ml("init", "--yes", "--no-run", f"--target={name}").code == 0
    found = configuration(tmp_path)

    assert found["score-model"]["target"] == name and found["score-model"]["keep"] == [f"{name} sex"]
    assert found["audit-fairness"]["sensitive-features"] == [f"{name} sex"]
    assert name not in (tmp_path / WORKFLOW).read_text() or name in ("no", "*", "-a")


@pytest.mark.parametrize("name", ["a b.csv", "${{ x }}.csv", "ünï.csv", "it's.csv", "a:b #c.csv", "-x.csv"])
def test_odd_file_names(cd4ml: Cli, tmp_path: Path, name: str) -> None:
    """A table of an odd name is named in the configuration as it is, and is validated."""
    write(tmp_path, {name: ROWS})

    assert cd4ml("init", "--yes", "--no-run").code == 0
    assert configuration(tmp_path)["validate-data"]["data"] == [name]
    assert "${{ x }}" not in (tmp_path / WORKFLOW).read_text()
    assert cd4ml("validate-data").code == 0


def test_file_name_with_a_line_feed__is_passed_over(cd4ml: Cli, tmp_path: Path) -> None:
    """A name with control characters is passed over, with a note, and other tables are found."""
    write(tmp_path, {"a\nb.csv": ROWS, "data.csv": ROWS})

    assert cd4ml("init", "--yes", "--no-run").code == 0
    assert configuration(tmp_path)["validate-data"]["data"] == ["data.csv"]


def test_ragged_table__is_named_and_left_out(cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that no stage would read is left out with the reason; the rest is written."""
    write(tmp_path, {"a.py": "", "train.csv": "a,b\n1,2\n1,2,3\n"})

    run = cd4ml("init", "--yes", "--no-run", capsys=capsys)

    assert run.code == 0 and "train.csv" in run.stdout
    assert set(configuration(tmp_path)) == {"check-code"}


def test_place_that_cannot_be_written(cd4ml: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where one file cannot be written it says so, with exit code 3, and none is."""
    write(tmp_path, {"train.csv": ROWS, ".github": "a file\n"})

    run = cd4ml("init", "--yes", "--no-run", capsys=capsys)

    assert run.code == 3 and "model.yml cannot be written" in run.stderr
    assert files(tmp_path) == {"train.csv", ".github"}


def test_write_together__all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last file cannot be put in its place, none is left, nor a folder, and what was replaced is back."""
    (tmp_path / "old.txt").write_text("old")
    paths = [tmp_path / "old.txt", tmp_path / "new" / "a.txt", tmp_path / "b.txt"]
    link = os.link

    def full(source: Path, target: Path) -> None:
        if target.name == "b.txt":
            raise OSError(28, "No space left on device")
        link(source, target)

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(UnavailableError, match="No space left"):
        write_together({path: "new" for path in paths}, over={paths[0]})

    assert files(tmp_path) == {"old.txt"} and not (tmp_path / "new").exists()
    assert (tmp_path / "old.txt").read_text() == "old"


def test_link_out_of_the_repository__is_not_followed(tmp_path: Path, cd4ml: Cli) -> None:
    """A .github that leads elsewhere is refused, and a .gitignore that is a link stays what it is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = write(tmp_path / "repository", {"train.csv": ROWS})
    (folder / ".github").symlink_to(elsewhere)
    (folder / ".gitignore").symlink_to(elsewhere / "ignores")

    assert cd4ml("init", "--yes", "--no-run", "--working-directory", str(folder)).code == 2
    (folder / ".github").unlink()
    assert cd4ml("init", "--yes", "--no-run", "--working-directory", str(folder)).code == 0
    assert list(elsewhere.iterdir()) == [] and (folder / ".gitignore").is_symlink()


def on_terminal(folder: Path, *answers: str) -> tuple[int, str]:
    """Run `cd4ml init` on a terminal of its own, type answers, and return the exit code and what it showed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cd4ml", "init", "--no-run"],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(follower)
    os.write(leader, "".join(f"{answer}\n" for answer in answers).encode())
    shown, _ = process.communicate(timeout=120)
    os.close(leader)
    return process.returncode, shown


def test_questions__enter_takes_the_proposal(tmp_path: Path) -> None:
    """On a terminal each question shows the proposed answer and why; Enter takes it, a wrong answer is asked again."""
    write(tmp_path, {"train.csv": ROWS, "test.csv": ROWS, "train.py": "y = frame['approved']\nmodel.fit(1)\n"})

    code, shown = on_terminal(tmp_path, "", "", "aproved", "", "sex", "models:/x", "", "")

    assert code == 0, shown
    assert "[train.csv]" in shown and "its name says so." in shown
    assert "[approved]" in shown and "train.py:1 takes it as `y`." in shown
    assert "[none]" in shown and "names no model" in shown
    assert "there is no column `aproved` (did you mean `approved`?)" in shown
    assert (tmp_path / "cd4ml.yaml").exists()


def test_questions__no_means_nothing_is_written(tmp_path: Path) -> None:
    """Answering no to the last question, or ending the input, leaves the folder as it was."""
    write(tmp_path, {"train.csv": ROWS})

    code, shown = on_terminal(tmp_path, "", "", "", "-", "n")

    assert code == 2 and "nothing was written" in shown
    assert files(tmp_path) == {"train.csv"}


def test_no_terminal_and_no_yes__is_refused(tmp_path: Path) -> None:
    """Where nobody can be asked it asks for --yes, and writes nothing."""
    write(tmp_path, {"train.csv": ROWS})

    run = run_cd4ml(tmp_path, "init")

    assert run.code == 2 and "--yes" in run.stderr and files(tmp_path) == {"train.csv"}


def test_workflow__is_a_valid_one(tmp_path: Path, cd4ml: Cli) -> None:
    """What is written passes the platform's linter, asks for no permission at the top, and keeps no credentials."""
    makes.dvc(tmp_path)
    assert cd4ml("init", "--yes", "--no-run", "--actions", "acme/cd4ml@0123abc").code == 0

    linted = subprocess.run(
        [need_program("actionlint"), tmp_path / WORKFLOW], capture_output=True, text=True, check=False
    )
    flow = yaml.safe_load((tmp_path / WORKFLOW).read_text())

    assert linted.returncode == 0, linted.stdout
    assert flow["permissions"] == {} and flow["jobs"]["gates"]["permissions"] == {"contents": "read"}
    assert flow["jobs"]["gates"]["steps"][0]["with"] == {"persist-credentials": False}
    used = [step["uses"] for job in flow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert "acme/cd4ml@0123abc" in used and "acme/cd4ml/actions/comment@0123abc" in used
    kept = [step["with"]["name"] for step in flow["jobs"]["gates"]["steps"] if "path" in step.get("with", {})]
    stages = [f"cd4ml-report-{stage}" for stage in (*configuration(tmp_path), "pipeline")]
    assert kept == ["cd4ml-report", *stages]  # where the comment looks for main's numbers
    assert all(re.search(r"@[0-9a-f]{40}$", use) for use in used if use.startswith("actions/"))


def test_target_that_nobody_wants__asks_what_is_favourable(cd4ml: Cli, tmp_path: Path) -> None:
    """Where a positive means churn or fraud, the audit's comment asks which decision is the favourable one."""
    rows = "sex,churn\n" + "f,1\nm,0\n" * 60
    write(tmp_path, {"train.csv": rows, "test.csv": rows, "model/MLmodel": "flavors: {}\n"})

    assert cd4ml("init", "--yes", "--no-run").code == 0
    text = (tmp_path / "cd4ml.yaml").read_text()

    assert "`churn` does not sound favourable" in text and "sensitive-features: [sex]" in text
