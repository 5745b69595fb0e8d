"""Models that score well, badly, or not at all."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests import models
from tests.conftest import Run

FEATURES = ["age", "income", "city"]
TARGET = "approve"


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two real models: `good`, and `worse`, which was trained on shuffled labels."""
    folder = tmp_path_factory.mktemp("models")
    frame = models.people()
    shuffled = frame.assign(approve=frame["approve"].sample(frac=1, random_state=1).to_numpy())
    models.save(models.classifier(frame), folder / "good", frame[FEATURES])
    models.save(models.classifier(shuffled), folder / "worse", frame[FEATURES])
    return folder


@pytest.fixture
def test_data(tmp_path: Path) -> pd.DataFrame:
    """Write 100 test rows with a column that is no feature, and return them."""
    frame = models.people(100, seed=7)
    frame["sex"] = ["f", "m"] * 50
    frame.to_parquet(tmp_path / "test.parquet", index=False)
    return frame


@pytest.fixture
def score(cd4ml: Callable[..., Run], saved: Path, test_data: pd.DataFrame) -> Callable[..., Run]:
    """Run score-model on the test rows, against the good model in production unless the arguments say otherwise."""

    def run(candidate: Path | str, *arguments: str, production: Path | str | None = saved / "good") -> Run:
        beside = ["--production", str(production)] if production else []
        if any(models.brings_code(Path(folder)) for folder in (candidate, production or "")):
            beside.append("--allow-code")  # what such code can do is shown here; tests/model_files show it refused
        return cd4ml(
            "score-model",
            *("--candidate", str(candidate), *beside, "--test-data", "test.parquet", "--target", TARGET),
            *arguments,
        )

    return run


@pytest.fixture
def coded(tmp_path: Path) -> Callable[..., Path]:
    """Save a model whose `predict` is the given Python; `rows` are its rows, `pd` and `os` are at hand.

    `loading` runs when the model is loaded. Nothing of it runs here.
    """

    def save(
        body: str, *, name: str = "coded", requirements: list[str] | None = None, loading: str | None = None
    ) -> Path:
        script = tmp_path / f"{name}.py"
        script.write_text(
            "import os, sys, time\nimport numpy as np\nimport pandas as pd\nimport mlflow\n"
            "from mlflow.pyfunc import PythonModel\n\n\n"
            "class Coded(PythonModel):\n    def predict(self, context, rows, params=None):\n        "
            + body.replace("\n", "\n        ")
            + "\n\n\nmlflow.models.set_model(Coded())\n"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow.pyfunc

            mlflow.pyfunc.save_model(
                str(tmp_path / name),
                python_model=str(script),
                pip_requirements=requirements or models.REQUIREMENTS,
            )
        if loading is not None:
            (copy,) = (tmp_path / name).rglob(f"{name}.py")
            copy.write_text(f"{loading}\n{copy.read_text()}")
        return tmp_path / name

    return save


class Payload:
    """Unpickling an instance runs its code."""

    def __init__(self, code: str) -> None:
        """Take the code."""
        self.code = code

    def __reduce__(self) -> Any:
        """Have the code run."""
        return exec, (self.code,)


@pytest.fixture
def unpickled(tmp_path: Path, saved: Path) -> Callable[[str], Path]:
    """Save a model whose pickle runs the given code when it is loaded."""

    def save(code: str) -> Path:
        import shutil

        folder = Path(shutil.copytree(saved / "good", tmp_path / "hostile"))
        (folder / "model.pkl").write_bytes(pickle.dumps(Payload(code)))
        return folder

    return save
