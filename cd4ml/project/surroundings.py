"""What a workflow needs to know of a project: its folder, its Python, how its packages and its data are had."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.project.findings import Finding, Surroundings
from cd4ml.project.tree import Tree

_VERSION: Final = re.compile(r"3\.\d{1,2}")
_IN_WORKFLOW: Final = re.compile(r"python-version:\s*[\"']?(3\.\d{1,2})[\"']?\s*$", re.MULTILINE)
_REQUIREMENTS: Final = ("requirements.txt", "requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt")
_REQUIREMENTS_ALSO: Final = ("requirements-test.txt", "requirements/requirements.txt", "src/requirements.txt")
_EXTRAS: Final = ("dev", "test", "tests")
_REMOTES: Final = {"s3": "s3", "gs": "gs", "azure": "azure", "ssh": "ssh", "gdrive": "gdrive", "oss": "oss"}
_REQUIRES_DVC: Final = re.compile(r"^\s*[\"']?dvc\b", re.MULTILINE)
_REMOTE: Final = re.compile(r"^\s*url\s*=\s*(\w+)://", re.MULTILINE)


def find(tree: Tree, top: Path | None) -> Surroundings:
    """Return what a workflow needs to know.

    Args:
        top: the repository's own folder.
    """
    project = _pyproject(tree)
    workflows = tuple(name for name in tree.names if name.startswith(".github/workflows/"))
    inside = top is not None and tree.root.resolve() != top.resolve()
    return Surroundings(
        directory=tree.root.resolve().relative_to(top.resolve()).as_posix() if top and inside else ".",
        python=_python(tree, project, workflows),
        install=_install(tree, project),
        fetch=tuple(_fetch(tree)),
        workflows=workflows,
    )


def _pyproject(tree: Tree) -> Mapping[str, Any]:
    """Return the project's pyproject.toml; empty if there is none that can be read."""
    try:
        return tomllib.loads(tree.text("pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return {}


def _table(document: Any, *keys: str) -> Mapping[str, Any]:
    """Return a table of a document; empty if there is none."""
    for key in keys:
        document = document.get(key, {}) if isinstance(document, Mapping) else {}
    return document if isinstance(document, Mapping) else {}


def _python(tree: Tree, project: Mapping[str, Any], workflows: tuple[str, ...]) -> Finding[str] | None:
    """Return the Python version of the project, as `3.12`."""
    places = [(name, _VERSION.match(tree.text(name).strip())) for name in tree.at_top(".python-version")]
    places += [(name, _IN_WORKFLOW.search(tree.text(name))) for name in workflows]
    requires = str(_table(project, "project").get("requires-python", ""))
    places.append(("requires-python in pyproject.toml", _VERSION.search(requires)))
    for place, found in places:
        if found:
            return Finding(value=found[found.lastindex or 0], why=place)
    return None


def _install(tree: Tree, project: Mapping[str, Any]) -> Finding[str] | None:
    """Return the command that installs the project's packages. It is put together from fixed words alone."""
    listed = tree.at_top(*_REQUIREMENTS) or tree.at_top(*_REQUIREMENTS_ALSO)
    if listed:
        return Finding(value=f"pip install {' '.join(f'-r {name}' for name in listed)}", why=", ".join(listed))
    if "poetry.lock" in tree.names:
        command = "pip install poetry && poetry config virtualenvs.create false && poetry install"
        return Finding(value=command, why="poetry.lock")
    if _table(project, "project"):
        groups = [name for name in _EXTRAS if name in _table(project, "dependency-groups")]
        extras = [name for name in _EXTRAS if name in _table(project, "project", "optional-dependencies")]
        what = f"'.[{','.join(extras)}]'" if extras else "."
        return Finding(
            value=f"pip install {what}{''.join(f' --group {name}' for name in groups)}", why="pyproject.toml"
        )
    if "setup.py" in tree.names:
        return Finding(value="pip install .", why="setup.py")
    return None


def _fetch(tree: Tree) -> list[str]:
    """Return the commands that fetch data which are not in the repository."""
    if not (tree.ending(".dvc") or "dvc.lock" in tree.names):
        return []
    listed = [*tree.at_top(*_REQUIREMENTS, *_REQUIREMENTS_ALSO), "pyproject.toml", "poetry.lock"]
    if any(_REQUIRES_DVC.search(tree.text(name)) for name in listed):
        return ["dvc pull"]
    remote = _REMOTE.search(tree.text(".dvc/config"))
    extra = _REMOTES.get(remote[1], "") if remote else ""
    return [f"pip install 'dvc[{extra}]'" if extra else "pip install dvc", "dvc pull"]
