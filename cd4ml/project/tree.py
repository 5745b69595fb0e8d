"""The files of a project: what git tracks or would track; without git, what lies outside hidden folders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.errors import Cd4mlError
from cd4ml.git import Checkout
from cd4ml.reading import text_file

MOST_FILES: Final = 20_000
_LARGEST_TEXT: Final = 2_000_000
# What others wrote: installed packages, environments, caches.
_NEVER: Final = frozenset({"node_modules", "__pycache__", "site-packages", "venv", "env", "mlruns", "mlartifacts"})
_ENVIRONMENT: Final = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The files of a project.

    Attributes:
        root: the working directory.
        names: relative to it, with `/`, sorted.
        notes: what was not looked at.
    """

    root: Path
    names: tuple[str, ...]
    in_git: bool = True
    notes: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """Return the text of a file; empty if it is none, is too large or cannot be read."""
        try:
            return text_file(self.root / name, most=_LARGEST_TEXT).removeprefix("\ufeff")
        except (FileNotFoundError, Cd4mlError):
            return ""

    def ending(self, *endings: str) -> list[str]:
        """Return the names that end so."""
        return [name for name in self.names if name.endswith(endings)]

    def at_top(self, *names: str) -> list[str]:
        """Return those of some names that lie in the project's own folder."""
        return [name for name in names if name in self.names]


def look(root: Path, checkout: Checkout) -> Tree:
    """Return the project's files; beyond a bound they are not looked at, and a note says so."""
    tracked = [path.as_posix() for path in checkout.files(".")]
    listed = [name for name in tracked if os.path.lexists(root / name)]  # git tracks what was just deleted too
    in_git = bool(tracked) or checkout.top() is not None
    found = listed if in_git else _walked(root)
    notes = [] if in_git else ["This folder is not a git repository: every file outside hidden folders was looked at."]
    own = [name for name in found if not _NEVER & {*name.split("/")[:-1]}]
    if len(own) > MOST_FILES:
        notes.append(f"Only {MOST_FILES:,} files were looked at, those in the deepest folders last.")
    odd = [name for name in own if not name.isprintable()]
    if odd:
        notes.append(f"{len(odd)} files have control characters in their names and were passed over.")
    names = sorted((name for name in own if name.isprintable()), key=lambda name: (name.count("/"), name))[:MOST_FILES]
    return Tree(root=root, names=tuple(sorted(names)), in_git=in_git, notes=tuple(notes))


def _walked(root: Path) -> list[str]:
    """Return the files outside hidden folders and environments, few more than the bound."""
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        if here != root and any(mark in names or mark in folders for mark in _ENVIRONMENT):
            folders.clear()
            continue
        kept = [name for name in folders if name not in _NEVER and (not name.startswith(".") or name == ".github")]
        folders[:] = sorted(kept)
        found += [(here / name).relative_to(root).as_posix() for name in names]
        if len(found) > MOST_FILES:
            break
    return found
