"""mypy's cache from run to run, where nobody whose code is judged can have written to it.

A cache says which modules are free of errors, so whoever writes to it writes the verdict. It is kept in the user's own
cache on the user's own machine. In continuous integration there is none, unless a folder outside of the repository is
named; then every run reads it, and only a run for the default branch writes to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.code_tools.tool import Output, Project
from cd4ml.context import Context
from cd4ml.digests import file_sha256
from cd4ml.errors import OptionsError

AUTO: Final = "auto"
NEVER: Final = "never"
# Where a run has the cache that mypy is started with, in the run's own folder.
NAME: Final = "mypy"
SYSTEMS: Final = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "BUILDKITE", "TF_BUILD", "TEAMCITY_VERSION")
_CONFIGURATIONS: Final = ("mypy.ini", ".mypy.ini", "pyproject.toml", "setup.cfg")
_FILES: Final = "cd4ml-files.json"
_FORGOTTEN_AFTER: Final = 30 * 24 * 3600.0  # seconds since a project was last checked


@dataclass(frozen=True, kw_only=True)
class Cache:
    """The cache of one project, for one interpreter, mypy and configuration.

    Attributes:
        folder: where it is kept; beside it there is nothing but older ones of the project.
        writes: whether this run may replace it.
    """

    folder: Path
    writes: bool

    def restore(self, project: Project) -> None:
        """Copy what was kept to where mypy looks, if it is ours and no file has changed without looking changed."""
        target = project.scratch / NAME
        try:
            if _is_own(self.folder) and not _look_unchanged(self.folder / _FILES, project.python):
                shutil.copytree(self.folder, target)
        except (OSError, ValueError, TypeError, AttributeError):  # none, or one that was not written whole
            shutil.rmtree(target, ignore_errors=True)

    def finish(self, project: Project, output: Output) -> None:
        """Keep what mypy has left, in place of what was kept; after a run that did not end well, keep nothing.

        Where the cache cannot be written, the next run takes longer, and that is all.
        """
        if not self.writes:
            return
        if output.code not in (0, 1):
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        with contextlib.suppress(OSError):
            self._replace(project.scratch / NAME, project.python)

    def _replace(self, source: Path, files: Sequence[Path]) -> None:
        """Put a cache in the place of all that are kept of the project."""
        (source / _FILES).write_text(json.dumps(_facts(files)), encoding="utf-8")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=self.folder.parent))  # nobody else can write to it
        for path in source.iterdir():
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, fresh / path.name)
        for old in self.folder.parent.iterdir():
            if old != fresh:
                shutil.rmtree(old, ignore_errors=True)
        fresh.rename(self.folder)
        for project in self.folder.parent.parent.iterdir():
            if time.time() - project.stat().st_mtime > _FORGOTTEN_AFTER:
                shutil.rmtree(project, ignore_errors=True)


def find(wanted: str, project: Project, python: Sequence[str], context: Context) -> Cache | None:
    """Return where the cache of a project is kept; None if it is kept nowhere.

    Args:
        wanted: the option `mypy-cache`.
        python: what tells apart interpreters, what is installed in them, and own copies of tools.

    Raises:
        OptionsError: the folder that is named lies in the repository, where the code that is judged can write.
    """
    named = wanted not in (AUTO, NEVER)
    if wanted == NEVER or not named and _is_automated(context.environ):
        return None
    root = (Path(wanted) if named else context.cache / NAME).absolute()
    top = project.top.resolve()
    if root.resolve() == top or top in root.resolve().parents:
        if not named:
            return None
        raise OptionsError(
            f"mypy-cache: {wanted} lies in the repository, where the code that is judged can write",
            advice="Name a folder outside of it.",
        )
    of_project = hashlib.sha256(os.fsencode(context.directory)).hexdigest()[:16]
    return Cache(
        folder=root / of_project / _key(project, python),
        writes=not _is_automated(context.environ) or _is_default_branch(context.environ),
    )


def _key(project: Project, python: Sequence[str]) -> str:
    """Return what changes with the interpreter, its packages, mypy and the configuration."""
    version = project.versions.get("mypy") or ""  # that of an own copy is told by its folder
    texts = [Path(name).read_bytes() if Path(name).is_file() else b"" for name in _CONFIGURATIONS]
    parts = [*map(os.fsencode, python), version.encode(), *texts]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


def _is_automated(environ: Mapping[str, str]) -> bool:
    """Whether this runs in continuous integration, where the code that is judged may be a stranger's."""
    return any(environ.get(name, "").lower() not in ("", "false", "0") for name in SYSTEMS)


def _is_default_branch(environ: Mapping[str, str]) -> bool:
    """Whether the code is that of the default branch, as the platform says."""
    if environ.get("GITHUB_EVENT_NAME") in ("push", "schedule", "workflow_dispatch"):
        return environ.get("GITHUB_REF") == f"refs/heads/{_default_branch(environ)}"
    if environ.get("CI_COMMIT_BRANCH"):
        return environ["CI_COMMIT_BRANCH"] == environ.get("CI_DEFAULT_BRANCH")
    return environ.get("BRANCH_IS_PRIMARY") == "true"


def _default_branch(environ: Mapping[str, str]) -> str:
    """Return the default branch of the repository on GitHub, "" if the event does not say."""
    try:
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return str(event["repository"]["default_branch"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _is_own(folder: Path) -> bool:
    """Whether a folder is this user's, and nobody else can write to it."""
    facts = folder.lstat()
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def _look_unchanged(path: Path, files: Sequence[Path]) -> list[str]:
    """Return the files whose content has changed, though size and time have not: mypy would not read them again."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return [
        name
        for name, (size, seconds, digest) in _facts(files).items()
        if kept.get(name, [None])[:2] == [size, seconds] and kept[name][2] != digest
    ]


def _facts(files: Sequence[Path]) -> dict[str, tuple[int, int, str]]:
    """Return size, time (in seconds, as mypy counts) and digest of each file."""
    return dict(_fact(file) for file in files)


def _fact(file: Path) -> tuple[str, tuple[int, int, str]]:
    """Return a file's name and facts."""
    found = file.stat()
    return str(file), (found.st_size, int(found.st_mtime), file_sha256(file))
