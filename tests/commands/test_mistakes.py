"""Plausible mistakes: the message says what is wrong, where, and what to do; the exit code says whose turn it is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run, clean_environment

Cli = Callable[..., Run]


def test_unknown_option__nearest_is_named(cd4ml: Cli) -> None:
    """A misspelt option is answered with the one that is meant."""
    run = cd4ml("check-code", "--path", "src")

    assert (run.code, run.report["status"]) == (2, "error")
    assert run.report["checks"][0]["message"] == "unknown option `--path` (did you mean `--paths`?)"
    assert "cd4ml help check-code" in run.report["checks"][0]["advice"]


def test_required_options__where_to_set_them(cd4ml: Cli) -> None:
    """Options that nobody set are named all at once, and so is a configuration file that is not there."""
    run = cd4ml("build-image")

    message, advice = (run.report["checks"][0][key] for key in ("message", "advice"))
    assert run.code == 2
    assert "model is required" in message and "image is required" in message and ".;" not in message
    assert advice == "There is no cd4ml.yaml in the working directory."


@pytest.mark.parametrize("wrong", [("--minimum", "accuracy"), ("--task", "binaire"), ("--minimum-test-rows", "many")])
def test_wrong_value__no_word_of_the_configuration(cd4ml: Cli, wrong: tuple[str, str]) -> None:
    """Who gives an option a wrong value on the command line is not sent to a configuration file."""
    run = cd4ml("evaluate-model", "--predictions", "p.csv", *wrong)

    assert run.code == 2 and wrong[1] in run.report["checks"][0]["message"]
    assert "cd4ml.yaml" not in (run.report["checks"][0].get("advice") or "")


def test_misspelt_names_of_check_code__nearest_is_named(cd4ml: Cli, tmp_path: Path) -> None:
    """A misspelt path is answered with the nearest one, an unknown tool with the tools that there are."""
    (tmp_path / "src").mkdir()
    said = cd4ml("check-code", "--paths", "scr", "--tools", "pylint").report["checks"][0]["message"]

    assert "did you mean `src`?" in said and "the tools are black, ruff-format, flake8" in said


def test_missing_file__nearest_is_named(cd4ml: Cli, tmp_path: Path) -> None:
    """A misspelt file is answered with the one beside it, a missing folder with its name."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("a\n1\n")
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64}\n")

    def message(data: str, schema: str = "schema.yaml") -> str:
        run = cd4ml("validate-data", "--data", data, "--schema", schema)
        assert (run.code, run.report["checks"][0]["reason"]) == (3, "unavailable")
        return str(run.report["checks"][0]["message"])

    assert message("data/trian.csv") == "data/trian.csv: no such file (did you mean `train.csv`?)."
    assert message("dta/train.csv") == "dta/train.csv: no such file: there is no folder dta."
    assert message("data/train.csv", "schem.yaml") == "schem.yaml: no such file (did you mean `schema.yaml`?)."


@pytest.mark.parametrize("stage", ["validate-data", "evaluate-model"])
def test_library_not_installed__unavailable(tmp_path: Path, stage: str) -> None:
    """Where only the core is installed a stage is unavailable, with what to install: it is no defect."""
    without_site_packages = (
        "import importlib.abc, sys\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] in ('polars', 'numpy', 'pandas', 'pyarrow'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from cd4ml.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "s.yaml").write_text("columns:\n  a: {dtype: int64}\n")
    options = {
        "validate-data": ("--data", "t.csv", "--schema", "s.yaml"),
        "evaluate-model": ("--predictions", "t.csv", "--minimum", "accuracy=0.5"),
    }
    result = subprocess.run(
        [sys.executable, "-c", without_site_packages, stage, *options[stage]],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 3, result.stderr
    assert f"which {stage} needs, is not installed" in result.stdout
    assert f"requirements/{stage}.txt" in result.stdout and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["validate-data", "--help"], 0),
        (["validate-data", "--data", "rows.csv", "--schema", "schema.yaml", "--json"], 0),
        (["validate-data", "--data", "rows.csv", "--schema", "schema.yaml", "--json", "--minimum-rows", "1001"], 1),
    ],
)
def test_reader_gone__the_verdict_stays(tmp_path: Path, arguments: list[str], code: int) -> None:
    """Whoever reads the output may leave, as `head` does; exit code and report are what they would have been."""
    names = [f"column{number}" for number in range(100)]  # the report is larger than a pipe takes before it is read
    rows = "\n".join(",".join([str(row)] * len(names)) for row in range(1000))
    (tmp_path / "rows.csv").write_text(f"{','.join(names)}\n{rows}\n")
    columns = "\n".join(f"  {name}: {{dtype: int64, checks: {{greater_than_or_equal_to: 0}}}}" for name in names)
    (tmp_path / "schema.yaml").write_text(f"schema_type: dataframe\ncolumns:\n{columns}\n")
    command = [sys.executable, "-m", "cd4ml", *arguments]
    environ = clean_environment(PYTHONPATH=str(ROOT))
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "Traceback" not in said and "BrokenPipe" not in said
    if "--json" in arguments:
        assert json.loads((tmp_path / "reports" / "validate-data.json").read_text())["status"] != "error"
