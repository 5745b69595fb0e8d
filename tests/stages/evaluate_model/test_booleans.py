"""Booleans keep the names that stand in the data: as labels, decisions, groups, slices and in what users write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Run

RNG = np.random.default_rng(0)
TRUTH = RNG.random(200) < 0.6
DECIDED = np.where(RNG.random(200) < 0.8, TRUTH, ~TRUTH)
WAYS: dict[str, Callable[[Any], Any]] = {
    "bool": lambda values: values,
    "nullable": lambda values: pd.array(values, dtype="boolean"),
    "words": lambda values: np.where(values, "True", "False"),
    "small words": lambda values: np.where(values, "true", "false"),
    "numbers": lambda values: values.astype(int),
    "floats": lambda values: values.astype(float),
}
Judge = Callable[..., Run]


@pytest.fixture(params=["parquet", "csv"])
def judge(request: pytest.FixtureRequest, cd4ml: Callable[..., Run], tmp_path: Path) -> Judge:
    """Write a predictions table as Parquet and as CSV, and run a stage on it."""

    def run(columns: dict[str, Any], stage: str, *arguments: str) -> Run:
        path, frame = tmp_path / f"predictions.{request.param}", pd.DataFrame(columns)
        frame.to_csv(path, index=False) if request.param == "csv" else frame.to_parquet(path, index=False)
        return cd4ml(stage, "--predictions", path.name, *arguments)

    return run


@pytest.mark.parametrize("label", [None, "True", "true", "TRUE", "1"])
def test_labels__true_is_positive_by_its_name(judge: Judge, label: str | None) -> None:
    """True is the positive label, by any name that people give it, and the report calls the labels False and True."""
    named = () if label is None else ("--positive-label", label)
    run = judge(
        {"y_true": TRUTH, "y_pred": DECIDED}, "evaluate-model", "--minimum", "recall=0.1", "--bootstrap", "true", *named
    )

    details = run.report["details"]
    assert (run.code, details["positive_label"]) == (0, "True")
    assert details["confusion_matrix"]["labels"] == ["False", "True"]
    assert details["class_counts"] == {"False": int((~TRUTH).sum()), "True": int(TRUTH.sum())}
    assert run.report["metrics"]["candidate"]["recall"] == pytest.approx(float(DECIDED[TRUTH].mean()))


def test_labels__false_may_be_positive(judge: Judge) -> None:
    """`False` is a label like any other; one that does not occur is refused with the names in the data."""
    columns = {"y_true": TRUTH, "y_pred": DECIDED}
    arguments = ("--minimum", "recall=0.1", "--bootstrap", "true", "--positive-label")
    run = judge(columns, "evaluate-model", *arguments, "False")
    assert run.report["metrics"]["candidate"]["recall"] == pytest.approx(float(1 - DECIDED[~TRUTH].mean()))

    run = judge(columns, "evaluate-model", *arguments, "yes")
    assert run.code == 2 and "the labels are False, True" in run.report["summary"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("other", ["bool", "numbers", "small words"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_labels__columns_of_mixed_types_are_matched(judge: Judge, way: str, other: str, task: str) -> None:
    """Booleans of one column and numbers or words of another are the same labels, for candidate and production."""
    columns = {"y_true": WAYS[way](TRUTH), "y_pred": WAYS[other](DECIDED), "production_y_pred": WAYS["bool"](~DECIDED)}
    run = judge(columns, "evaluate-model", "--minimum", "accuracy=0.1", "--task", task)

    assert run.report["metrics"]["candidate"]["accuracy"] == pytest.approx(float((TRUTH == DECIDED).mean()))
    assert run.report["metrics"]["production"]["accuracy"] == pytest.approx(float((TRUTH != DECIDED).mean()))


def test_labels__numbers_stay_numbers(judge: Judge) -> None:
    """Labels of 0 and 1 are called so, and texts by their names."""
    arguments = ("--minimum", "accuracy=0.1", "--bootstrap", "true")
    numbers = judge({"y_true": TRUTH.astype(int), "y_pred": DECIDED.astype(float)}, "evaluate-model", *arguments)
    assert numbers.report["details"]["confusion_matrix"]["labels"] == ["0", "1"]

    texts = {name: np.where(values, "paid", "open") for name, values in (("y_true", TRUTH), ("y_pred", DECIDED))}
    named = judge(texts, "evaluate-model", *arguments, "--positive-label", "paid")
    assert named.report["details"]["class_counts"] == {"open": int((~TRUTH).sum()), "paid": int(TRUTH.sum())}
    assert judge(texts, "evaluate-model", *arguments, "--positive-label", "True").code == 2


def test_labels__other_words_are_refused(judge: Judge) -> None:
    """Booleans beside words that are none of theirs are refused, with all the labels."""
    run = judge({"y_true": TRUTH, "y_pred": np.where(DECIDED, "yes", "no")}, "evaluate-model", "--minimum", "f1=0.1")
    assert run.code == 2 and "False, True, no, yes" in run.report["summary"]


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("name", ["True", "true"])
def test_groups__by_name(judge: Judge, gaps: bool, name: str) -> None:
    """Groups of a boolean feature are True and False, in names, references and exclusions; gaps are a group beside."""
    member: Any = pd.array(RNG.random(200) < 0.5, dtype="boolean")
    if gaps:
        member[:5] = pd.NA
    columns = {"y_true": TRUTH, "y_pred": DECIDED, "member": member}
    arguments = ["--sensitive-features", "member", "--reference-groups", f"member={name}", "--minimum-ratio", "0.1"]
    run = judge(columns, "audit-fairness", *arguments, "--exclude-groups", "member=(missing)")

    ids = {check["id"] for check in run.report["checks"]}
    assert (run.code, run.report["status"]) == (0, "passed")
    assert {"disparate-impact:member=True", "disparate-impact:member=False"} <= ids
    assert run.report["metrics"]["features"]["member"]["reference"] == "True"

    arguments[3] = "member=False"
    out = judge(
        columns, "audit-fairness", *arguments, "--exclude-groups", f"member={name}", "--maximum-excluded", "0.9"
    )
    excluded = [check for check in out.report["checks"] if check["id"].startswith("excluded-group")]
    assert [(check["id"], check["n"] > 50) for check in excluded] == [("excluded-group:member=True", True)]


def test_slices__by_name(judge: Judge) -> None:
    """Slices of a boolean column are named True and False."""
    columns = {"y_true": TRUTH, "y_pred": DECIDED, "member": np.arange(200) % 2 == 0}
    run = judge(columns, "evaluate-model", "--minimum", "accuracy=0.1", "--bootstrap", "true", "--slices", "member")

    assert {"minimum:accuracy:member=True", "minimum:accuracy:member=False"} <= {
        check["id"] for check in run.report["checks"]
    }


@pytest.mark.parametrize("written", ["True", "true", "'True'"])
def test_configuration__takes_booleans_for_values(judge: Judge, tmp_path: Path, written: str) -> None:
    """YAML's true is a value of the data where the option asks for one, and a mistake elsewhere."""
    columns = {"y_true": TRUTH, "y_pred": DECIDED, "member": np.arange(200) % 2 == 0}
    (tmp_path / "cd4ml.yaml").write_text(
        f"audit-fairness: {{positive-label: {written}, reference-groups: {{member: {written}}}, minimum-ratio: 0.1}}\n"
    )
    run = judge(columns, "audit-fairness", "--sensitive-features", "member")
    assert run.code == 0 and run.report["metrics"]["features"]["member"]["reference"] == "True"

    (tmp_path / "cd4ml.yaml").write_text("audit-fairness: {predictions: true}\n")
    assert judge(columns, "audit-fairness", "--sensitive-features", "member").code == 0
    (tmp_path / "cd4ml.yaml").write_text("audit-fairness: {bins: {age: true}}\n")
    assert judge(columns, "audit-fairness", "--sensitive-features", "member").code == 2
