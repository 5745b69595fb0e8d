"""Pins and addresses in the other stages that read rows: evaluate-model, audit-fairness, detect-drift."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import Run

Command = Callable[..., Run]
COMMANDS = {
    "evaluate-model": ["--task", "binary", "--minimum", "accuracy=0.9", "--bootstrap", "true", "--predictions"],
    "audit-fairness": ["--sensitive-features", "group", "--predictions"],
    "detect-drift": ["--reference", "reference.parquet", "--features", "y_pred", "--current"],
}


def predictions(wrong: int) -> pl.DataFrame:
    """Return predictions, of which the first are wrong, all in one group."""
    truth = [row % 2 for row in range(400)]
    guesses = [1 if row < wrong else value for row, value in enumerate(truth)]
    return pl.DataFrame({"y_true": truth, "y_pred": guesses, "group": ["a" if r < 200 else "b" for r in range(400)]})


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Write good predictions and then bad ones, as a file, a Delta table, and behind a pointer."""
    good, bad = predictions(0), predictions(190)
    good.write_parquet(tmp_path / "reference.parquet")
    good.with_columns(extra=pl.lit(1)).write_parquet(tmp_path / "good.parquet")
    bad.write_parquet(tmp_path / "bad.parquet")
    good.with_columns(extra=pl.lit(1)).write_delta(tmp_path / "table")
    bad.with_columns(extra=pl.lit(1)).write_delta(tmp_path / "table", mode="overwrite")
    for name in ("good", "bad"):
        md5 = hashlib.md5((tmp_path / f"{name}.parquet").read_bytes(), usedforsecurity=False).hexdigest()
        (tmp_path / f"{name}.dvc").write_text(f"outs:\n- md5: {md5}\n  hash: md5\n  path: {name}.parquet\n")
    (tmp_path / "other.dvc").write_text("outs:\n- md5: '0'\n  hash: md5\n  path: good.parquet\n")
    return tmp_path


@pytest.mark.parametrize("stage", COMMANDS)
def test_pins_and_addresses__are_what_is_judged(cd4ml: Command, tables: Path, server: str, stage: str) -> None:
    """A version, a pointer and an address each give the verdict of their own rows, under a name without secrets."""
    found: dict[str, tuple[int, Any]] = {}
    for name in (
        "table@0",
        "table@1",
        "table",
        "good.dvc",
        "bad.dvc",
        "other.dvc",
        f"{server}/good.parquet?key=secret",
    ):
        run = cd4ml(stage, *COMMANDS[stage], name)
        inputs = {item["path"] for item in run.report.get("inputs", ())}
        found[name.removeprefix(server)] = run.code, inputs - {"reference.parquet"}

    assert found == {
        "table@0": (0, {"table@0"}),
        "table@1": (1, {"table@1"}),
        "table": (1, {"table@1"}),
        "good.dvc": (0, {"good.parquet"}),
        "bad.dvc": (1, {"bad.parquet"}),
        "other.dvc": (3, set()),
        "/good.parquet?key=secret": (0, {f"{server}/good.parquet"}),
    }


def test_digest_of_a_version__is_the_same_in_every_stage(cd4ml: Command, tables: Path) -> None:
    """The digest of a Delta version is that of its files, whichever stage reads it."""
    (tables / "schema.yaml").write_text("columns:\n  y_pred: {dtype: int64}\n")
    runs = [cd4ml("validate-data", "--data", "table@0", "--schema", "schema.yaml")]
    runs += [cd4ml(stage, *arguments, "table@0") for stage, arguments in COMMANDS.items()]

    digests = [{item["path"]: item["sha256"] for item in run.report["inputs"]}["table@0"] for run in runs]

    assert len(set(digests)) == 1


def test_training_predictions__may_be_pinned(cd4ml: Command, tables: Path) -> None:
    """The table of training rows is read by its pin as well: another file than the pinned one ends the run."""
    command = ["evaluate-model", *COMMANDS["evaluate-model"], "table@0", "--maximum-gap", "accuracy=0.1"]

    run = cd4ml(*command, "--train-predictions", "bad.dvc")

    assert run.code == 0 and [item["path"] for item in run.report["inputs"]] == ["table@0", "bad.parquet"]
    assert cd4ml(*command, "--train-predictions", "other.dvc").code == 3
