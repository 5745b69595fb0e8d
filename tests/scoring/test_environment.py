"""A model's environment: locked with hashes, made once, made anew if it was left half-made; no password is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cd4ml.context import Context
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.scoring.environment import lock_requirements, model_environment, python_version, requirements
from tests.ports import free_port

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Return a context with a cache of its own."""
    return Context(directory=tmp_path, environ=dict(os.environ), cache=tmp_path / "cache")


def model(folder: Path, *lines: str) -> Path:
    """Write the requirements of a model."""
    folder.mkdir(exist_ok=True)
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_mlflow_becomes_skinny(tmp_path: Path) -> None:
    """`mlflow` alone is replaced, by the same version; names that begin with it are not."""
    found = requirements(
        model(tmp_path / "m", "mlflow==3.17.2", "mlflow-export==1.0", "# a comment", "numpy==2.4.6  # b")
    )

    assert found == ["mlflow-skinny==3.17.2", "mlflow-export==1.0", "numpy==2.4.6"]


def test_python_of_the_model(tmp_path: Path) -> None:
    """The minor version that MLflow noted is used, this one's where it noted none."""
    folder = model(tmp_path / "m", "six==1.17.0")
    assert python_version(folder) == PYTHON
    (folder / "python_env.yaml").write_text("python: 3.12.4\nbuild_dependencies:\n- pip\n")
    assert python_version(folder) == "3.12"


def test_locked_made_once_and_remade(tmp_path: Path, context: Context) -> None:
    """Every requirement is locked with hashes; the environment is kept, and made anew if it was left half-made."""
    lock = lock_requirements(model(tmp_path / "m", "six==1.17.0"), extra=(), python_version=PYTHON, context=context)
    python = model_environment(lock, python_version=PYTHON, context=context)
    made = python.parent.parent
    first = (made / "cd4ml-stamp").stat().st_mtime_ns

    assert "six==1.17.0" in lock and "--hash=sha256:" in lock
    assert subprocess.run([str(python), "-I", "-c", "import six"], check=False).returncode == 0
    assert model_environment(lock, python_version=PYTHON, context=context) == python
    assert (made / "cd4ml-stamp").stat().st_mtime_ns == first
    (made / "cd4ml-stamp").unlink()
    python.unlink()
    assert model_environment(lock, python_version=PYTHON, context=context) == python
    assert subprocess.run([str(python), "-I", "-c", "import six"], check=False).returncode == 0


def test_wrong_hash__refused(tmp_path: Path, context: Context) -> None:
    """A package whose content is not what was locked is not installed."""
    lock = f"six==1.17.0 --hash=sha256:{'0' * 64}\n"
    with pytest.raises(UnavailableError):
        model_environment(lock, python_version=PYTHON, context=context)

    assert not list((tmp_path / "cache" / "environments").glob("*/cd4ml-stamp"))


def test_no_hash__refused(context: Context) -> None:
    """A lock without hashes is not installed."""
    with pytest.raises(UnavailableError, match="hash"):
        model_environment("six==1.17.0\n", python_version=PYTHON, context=context)


def test_source_distribution__not_built(tmp_path: Path, context: Context) -> None:
    """A package without a wheel is refused before any of its code runs."""
    source, links = tmp_path / "evil-1.0", tmp_path / "links"
    source.mkdir()
    links.mkdir()
    marker = tmp_path / "marker"
    (source / "setup.py").write_text(f"open({str(marker)!r}, 'w').close()\nfrom setuptools import setup\nsetup()\n")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: cd4ml-evil\nVersion: 1.0\n")
    subprocess.run(["tar", "-czf", links / "cd4ml_evil-1.0.tar.gz", "evil-1.0"], cwd=tmp_path, check=True)
    offline = {**os.environ, "UV_FIND_LINKS": str(links), "UV_NO_INDEX": "1"}
    hostile = Context(directory=tmp_path, environ=offline, cache=context.cache)
    with pytest.raises(OptionsError, match="cannot be met"):
        lock_requirements(model(tmp_path / "m", "cd4ml-evil==1.0"), extra=(), python_version=PYTHON, context=hostile)

    assert not marker.exists()


def test_index_down__no_password_said(tmp_path: Path) -> None:
    """An index that cannot be reached is "unavailable", and its password is not repeated."""
    index = f"http://someone:c4n4ry@127.0.0.1:{free_port()}/simple"
    environ = {**os.environ, "UV_DEFAULT_INDEX": index, "UV_HTTP_RETRIES": "0", "UV_CACHE_DIR": str(tmp_path / "uv")}
    environ = {key: value for key, value in environ.items() if key not in ("UV_FIND_LINKS", "PIP_FIND_LINKS")}
    context = Context(directory=tmp_path, environ=environ, cache=tmp_path / "cache")
    with pytest.raises(UnavailableError) as caught:
        lock_requirements(model(tmp_path / "m", "six==1.17.0"), extra=(), python_version=PYTHON, context=context)

    assert "c4n4ry" not in str(caught.value)


def test_python_that_is_not_there__said_in_one_sentence(context: Context) -> None:
    """A model of another Python says which one to put on PATH, not how its search went."""
    with pytest.raises(UnavailableError) as caught:
        model_environment("", python_version="3.99", context=context)

    assert (
        caught.value.message == "The model was saved with Python 3.99, which is not on PATH and could not be fetched."
    )
    assert "actions/setup-python" in caught.value.advice


CONDA = "dependencies:\n- python=3.11.7\n- pip<=23.2\n- pip:\n  - scikit-learn==1.9.1\n"


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ("", None),
        ("- conda-forge::scikit_learn=1.9\n", None),
        ("- conda-forge::lightgbm=4.5\n- libgomp\n", "lightgbm=4.5, libgomp"),
    ],
)
def test_packages_of_conda_are_not_passed_over(tmp_path: Path, more: str, missing: str | None) -> None:
    """A model that was saved with packages that only conda installs is refused, and they are named."""
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.9.1\n")
    (tmp_path / "conda.yaml").write_text(CONDA + more)
    if missing is None:
        assert requirements(tmp_path) == ["scikit-learn==1.9.1"]
    else:
        with pytest.raises(OptionsError, match=f"conda.yaml names packages that pip does not install: {missing}"):
            requirements(tmp_path)
