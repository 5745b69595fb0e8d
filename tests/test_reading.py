"""Files and words that are none: each ends in one sentence and the right code, at once and with little memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run

Cli = Callable[..., Run]


def pipe(path: Path) -> None:
    """Make a pipe that nobody writes to."""
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (pipe, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.mkdir(), "not a regular file"),
        (lambda path: path.write_bytes(b"check-code:\n  paths: [\xff]\n"), "not UTF-8 at byte 22"),
        (lambda path: path.write_text("#" * 1_000_001), "larger than 1000000 bytes"),
        (lambda path: path.write_text("check-code: " + "[" * 2000 + "]" * 2000), "nested more than 50 deep"),
        (
            lambda path: path.write_text("\n".join(" " * depth + "a:" for depth in range(500))),
            "nested more than 50 deep",
        ),
        (lambda path: path.write_text("- " * 300 + "a"), "nested more than 50 deep"),
        (lambda path: path.write_text("check-code: {minimum-coverage: " + "9" * 5000 + "}"), "invalid YAML"),
        (lambda path: path.write_text("check-code: {minimum-coverage: 2026-02-31}"), "invalid YAML"),
        (lambda path: path.write_text('check-code: {paths: "\\ud800"}'), "must be UTF-8"),
        (lambda path: path.write_text("a: &x 1\nb: *x\n"), "aliases are not supported"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_configuration_that_is_none__exit_code_2(
    tmp_path: Path, cd4ml: Cli, make: Callable[[Path], object], message: str
) -> None:
    """A pipe, a device, gigabytes, bytes of another encoding, deep nesting and endless numbers are refused at once."""
    make(tmp_path / "cd4ml.yaml")
    started = time.monotonic()

    run = cd4ml("check-code", "--tools", "black")

    assert (run.code, run.report["status"]) == (2, "error")
    assert message in run.report["checks"][0]["message"]
    assert time.monotonic() - started < 20  # the deep one took this long for each 3,000 brackets


def test_pipe_as_another_file__refused(tmp_path: Path, cd4ml: Cli) -> None:
    """Schemas, profiles and earlier reports are read as the configuration is."""
    pipe(tmp_path / "x.yaml")
    (tmp_path / "t.csv").write_text("a\n1\n")
    pipe(tmp_path / "old.json")
    (tmp_path / "s.yaml").write_text("schema_type: dataframe\ncolumns:\n  a: {dtype: int64}\n")

    schema = cd4ml("validate-data", "--data", "t.csv", "--schema", "x.yaml")
    previous = cd4ml(
        "validate-data",
        "--data",
        "t.csv",
        "--schema",
        "s.yaml",
        "--previous-report",
        "old.json",
        "--maximum-row-change",
        "1",
    )
    drift = cd4ml("request-retraining", "--drift-report", "old.json")

    for run in (schema, previous, drift):
        assert run.code == 2
        assert "not a regular file" in run.report["checks"][0]["message"]


@pytest.mark.parametrize(
    ("stage", "arguments"),
    [
        ("validate-data", ("--data", "{0}.csv", "--schema", "s.yaml")),
        ("validate-data", ("--data", "t.csv", "--schema", "{0}.yaml")),
        (
            "validate-data",
            (
                "--config",
                "{0}",
            ),
        ),
        (
            "validate-data",
            (
                "--report",
                "{0}.json",
            ),
        ),
        (
            "validate-data",
            (
                "--working-directory",
                "{0}",
            ),
        ),
        ("evaluate-model", ("--predictions", "{0}.parquet", "--minimum", "accuracy=0.5")),
        ("audit-fairness", ("--predictions", "{0}.csv", "--sensitive-features", "sex")),
        ("detect-drift", ("--reference", "{0}.csv", "--current", "t.csv")),
        ("check-code", ("--paths", "{0}", "--tools", "black")),
        ("score-model", ("--candidate", "{0}", "--test-data", "t.csv", "--target", "a")),
        ("build-image", ("--model", "{0}", "--image", "localhost/x:1")),
        ("deploy-model", ("--config", "{0}.yaml")),
        ("promote-model", ("--repository", "{0}", "--manifest", "x.yaml")),
        ("advance-rollout", ("--repository", ".", "--manifest", "x.yaml", "--rollout-report", "{0}.json")),
        (
            "request-retraining",
            (
                "--drift-report",
                "{0}.json",
            ),
        ),
    ],
)
def test_name_that_no_file_can_have__no_defect(
    tmp_path: Path, cd4ml: Cli, stage: str, arguments: tuple[str, ...]
) -> None:
    """A name of 300 characters is said to be too long, or missing, and is no internal error."""
    (tmp_path / "t.csv").write_text("a\n1\n")

    run = cd4ml(stage, *(argument.format("x" * 300) for argument in arguments))

    assert run.code in (2, 3)


@pytest.mark.parametrize("value", ["9" * 4301, "1" + "0" * 5000, "9" * 5000 + ".5", "\udcff"])
@pytest.mark.parametrize("option", ["--minimum-rows", "--maximum-age", "--data", "--schema", "--exclude-columns"])
def test_value_that_is_none__no_defect(tmp_path: Path, cd4ml: Cli, option: str, value: str) -> None:
    """Numbers of thousands of digits and bytes of another encoding are refused in a short sentence."""
    (tmp_path / "t.csv").write_text("a\n1\n")

    run = cd4ml("validate-data", "--data", "t.csv", "--schema", "s.yaml", option, value)

    assert run.code in (2, 3)
    assert option in ("--data", "--schema", "--exclude-columns") or len(run.report["checks"][0]["message"]) < 600
