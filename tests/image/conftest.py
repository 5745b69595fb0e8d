"""Projects with a model that was scored, to be built into images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from cd4ml.data.predictions.table import write_predictions
from cd4ml.digests import folder_sha256
from cd4ml.report import ModelIdentity
from cd4ml.serving.model import load
from tests import models
from tests.conftest import Run, clean_environment, run_cd4ml
from tests.containers import Lab


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with `model`, `test.parquet` and `predictions.parquet`."""

    folder: Path

    def build(self, *arguments: str, runtime: str = "native", env: dict[str, str] | None = None) -> Run:
        """Run build-image in the folder."""
        given = ("--test-data", "test.parquet", "--predictions", "predictions.parquet", "--runtime", runtime)
        return run_cd4ml(self.folder, "build-image", "--model", "model", *given, *arguments, env=env)


def make_project(folder: Path, *, rows: int = 60, more: tuple[str, ...] = ()) -> Project:
    """Save a model that needs further packages, and score test rows with it."""
    frame = models.people(120)
    requirements = [*models.REQUIREMENTS, *more]
    model = models.save(
        models.classifier(frame), folder / "model", frame[["age", "income", "city"]], pip_requirements=requirements
    )
    test = models.people(rows, seed=9)
    y_pred, y_score = load(model).predict(test)
    assert y_score is not None
    test.assign(row_id=range(rows)).to_parquet(folder / "test.parquet")
    table = pd.DataFrame({"row_id": range(rows), "y_true": test["approve"], "y_pred": y_pred, "y_score": y_score})
    identity = ModelIdentity(uri="model", sha256=folder_sha256(model))
    write_predictions(table, folder / "predictions.parquet", candidate=identity, production=None)
    return Project(folder=folder)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose image may be pushed; tests that change it make a copy."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def vulnerable(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose model needs a package with a known vulnerability."""
    return make_project(tmp_path_factory.mktemp("vulnerable"), more=("jinja2==3.1.2",))


@pytest.fixture
def build(lab: Lab) -> Callable[..., Run]:
    """Run build-image for a project with this machine's engine, base, certificates and database."""

    def run(project: Project, *arguments: str, runtime: str = "native", env: dict[str, str] | None = None) -> Run:
        return project.build(
            *lab.arguments(), *arguments, runtime=runtime, env={**clean_environment(), **lab.environ, **(env or {})}
        )

    return run
