"""The locked environment of training code in tests: one that tests of score-model make as well."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from cd4ml.commands.project import cache_directory
from cd4ml.context import Context
from cd4ml.scoring.environment import locked
from tests.models import REQUIREMENTS


def context(folder: Path) -> Context:
    """Return the surroundings of a run in a folder."""
    return Context(directory=folder, environ=dict(os.environ), cache=cache_directory(os.environ))


def write_lock(path: Path) -> None:
    """Write the lock of an environment with scikit-learn, MLflow and skops."""
    wanted = [line.replace("mlflow==", "mlflow-skinny==") for line in REQUIREMENTS[:4]]
    wanted += [f"skops=={version('skops')}", "pandas", "pyarrow"]
    path.write_text(locked(wanted, python_version="3.11", context=context(path.parent)))
