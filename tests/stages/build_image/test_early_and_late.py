"""What is missing is said before anything is built, and what was found out before a push that fails stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cd4ml.context import Context
from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Image
from cd4ml.image.reference import parse
from cd4ml.report import Check, ModelIdentity, Status
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.push import NotPushed, push_image
from cd4ml.stages.build_image.report import Part, Record
from tests.conftest import clean_environment
from tests.image.conftest import Project
from tests.image.programs import calls, program

BUILT = Image(id="sha256:" + "b" * 64, user="65532", labels={})


class Silent:
    """A builder whose registry takes nothing."""

    def image(self, reference: str) -> Image:
        """Return what was built."""
        return BUILT

    def push(self, image: Any) -> str:
        """Fail."""
        raise UnavailableError(f"{image} cannot be pushed", advice="Log in.")


def test_a_push_that_fails_keeps_the_checks_that_passed(tmp_path: Path) -> None:
    """The report of a registry that takes nothing is an error, names no image, and has what was checked before."""
    builder: Any = Silent()
    options = Options(model="model", image="a.io/x:1", push=True)
    given: dict[str, Any] = {"severities": (), "ignores": (), "memory": 1, "builder": builder, "trivy": "trivy"}
    name = parse("a.io/x:1", "image")
    inputs = Inputs(options=options, context=Context(directory=tmp_path), image=name, scratch=tmp_path, **given)
    pushed = push_image(inputs, name, BUILT)
    assert isinstance(pushed, NotPushed)
    record = Record(candidate=ModelIdentity(uri="model", sha256="a" * 64), plan=())
    passed = Check(id="predictions-match", status=Status.PASSED, message="They do.")
    record.add(type("Found", (), {"part": Part(checks=(passed,))})())
    record.add(pushed)
    report = record.report("x")
    assert [(check.id, check.status.value) for check in report.checks] == [
        ("predictions-match", "passed"),
        ("pushed", "error"),
    ]
    assert report.status is Status.ERROR and report.outputs == {"image": "", "digest": ""}
    assert report.checks[1].advice == "Log in." and report.checks[1].reason == "unavailable"


@pytest.mark.parametrize("missing", ["test.parquet", "predictions.parquet"])
def test_a_table_that_is_missing_is_said_before_anything_is_built(
    project: Project, tmp_path: Path, missing: str
) -> None:
    """Without test data or predictions the engine is asked whether it is there, and for nothing else."""
    for name in ("docker", "trivy"):
        program(tmp_path, name)
    tables = {"--test-data": "test.parquet", "--predictions": "predictions.parquet"}
    for option, name in tables.items():
        tables[option] = "absent.parquet" if name == missing else name
    given = [word for pair in tables.items() for word in pair]
    environ = {**clean_environment(), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    run = project.build(
        "--image", "a.io/x:1", "--engine", "docker", "--trivy", str(tmp_path / "trivy"), *given, env=environ
    )
    assert run.code == 3 and "absent.parquet" in json.dumps(run.report["checks"])
    assert {call[0] for call in calls(tmp_path)} <= {"info", "buildx", "version"}
