"""A copy of this working tree as a runner would have it, and runs of its actions without act."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.actions.act import copy_suite
from tests.actions.step import Runner


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy this working tree to a folder with a space in its name, as the tag that consumers use."""
    return copy_suite(tmp_path_factory.mktemp("the suite"))


@pytest.fixture(scope="session")
def runner_temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of one runner, so that the tests share cd4ml's environment as a job's steps do."""
    return tmp_path_factory.mktemp("runner temp")


@pytest.fixture
def runner(suite: Path, runner_temp: Path, tmp_path: Path) -> Runner:
    """Return a runner whose workspace is empty and has a space in its name."""
    workspace = tmp_path / "work space"
    workspace.mkdir()
    return Runner(suite=suite, temp=runner_temp, workspace=workspace, files=tmp_path / "files")
