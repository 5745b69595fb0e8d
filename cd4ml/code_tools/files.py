"""Which files are the project's code: what git tracks, or would track; never an environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.git import Checkout

_SUFFIXES: Final = (".py", ".pyi")
# What marks the root of an environment: that of venv and virtualenv, and that of conda.
_ENVIRONMENT: Final = ("pyvenv.cfg", "conda-meta")
_NEVER: Final = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, kw_only=True)
class Files:
    """The project's code below some paths.

    Attributes:
        python: its Python files, relative to the working directory, sorted.
        places: paths that hold all of them and nothing else that is Python, for tools that look for files themselves.
    """

    python: Sequence[Path]
    places: Sequence[str]


def find(paths: Sequence[str], checkout: Checkout) -> Files:
    """Return the project's code below paths; a file that is named counts, whatever git ignores.

    Raises:
        UnavailableError: a folder of the tree passes for a repository, so that git cannot tell what is the project's.
    """
    if checkout.bare and (words := checkout.refused()):
        raise UnavailableError(f"{words}.", advice="Remove or rename them.")
    python: set[Path] = set()
    places: list[str] = []
    for path in dict.fromkeys(paths):
        if Path(path).is_file():
            found, foreign = [Path(path)], set[Path]()
        else:
            found, foreign = _tracked(path, checkout) or _walked(path)
        own = {file for file in found if file.suffix in _SUFFIXES}
        python |= own
        places += _around(Path(path), foreign, {folder for file in own for folder in file.parents} | own)
    return Files(python=sorted(python), places=places)


def _tracked(path: str, checkout: Checkout) -> tuple[list[Path], set[Path]] | None:
    """Return the files that git tracks or would track, and what of the rest is Python; None if git knows none here."""
    listed = checkout.files(path)
    if not listed:
        return None
    environments = {file.parent for file in listed if file.name in _ENVIRONMENT or file.parent.name in _ENVIRONMENT}
    environments = {folder.parent if folder.name in _ENVIRONMENT else folder for folder in environments} - {Path(path)}
    own = [file for file in listed if file.is_file() and not _below(file, environments)]
    ignored = {entry for entry in checkout.ignored(path) if entry.name not in _NEVER and _holds_python(entry)}
    return own, ignored | environments


def _walked(path: str) -> tuple[list[Path], set[Path]]:
    """Return the files outside hidden folders and environments, and the environments."""
    own: list[Path] = []
    environments: set[Path] = set()
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        if here != Path(path) and any(mark in names or mark in folders for mark in _ENVIRONMENT):
            environments.add(here)
            folders.clear()
            continue
        hidden = [here / name for name in folders if name.startswith(".")]
        environments |= {other for other in hidden if any((other / mark).exists() for mark in _ENVIRONMENT)}
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NEVER]
        own += [here / name for name in names]
    return own, environments


def _around(path: Path, foreign: set[Path], own: set[Path]) -> Iterator[str]:
    """Yield the path itself or, if something foreign lies below it, what of the project's own lies around that."""
    if path in foreign or path not in own:
        return
    if not any(_below(other, {path}) for other in foreign):
        yield path.as_posix()
        return
    for entry in sorted(path.iterdir()):
        yield from _around(entry, {other for other in foreign if other == entry or _below(other, {entry})}, own)


def _below(path: PurePath, folders: set[Path]) -> bool:
    """Whether a path lies below one of the folders."""
    return any(parent in folders for parent in path.parents)


def _holds_python(entry: Path) -> bool:
    """Whether an entry is a Python file, or a folder with one in it."""
    if not entry.is_dir():
        return entry.suffix in _SUFFIXES
    return any(name.endswith(_SUFFIXES) for _, _, names in os.walk(entry) for name in names)
