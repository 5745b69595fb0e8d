"""This machine: Python, space on its disks, a folder for reports, the tools of the project."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cd4ml.code_tools import settings
from cd4ml.code_tools.interpreter import find_python, own_tools
from cd4ml.diagnosis.looking import SECONDS, Result, Subject, fine, not_started, warned
from cd4ml.environments import program
from cd4ml.errors import UNAVAILABLE
from cd4ml.report import Status

_GIB: Final = 1 << 30
# The environments of two models and of a stage, and an image, take so much.
_ENOUGH: Final = 4.0
_TOO_LITTLE: Final = 0.5


def python(subject: Subject) -> Iterator[Result]:
    """Say which Python and which uv there are."""
    yield fine("python", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    try:
        program()
    except (ImportError, OSError):
        yield warned("uv", "not beside cd4ml: no model can be scored", "Install requirements/score-model.txt.")


def disk(subject: Subject) -> Iterator[Result]:
    """Say how much space there is where environments, tables and images are made."""
    places = {"this folder": subject.context.directory, "cache": _existing(subject.context.cache)}
    temporary = Path(subject.context.environ.get("TMPDIR") or "/tmp")
    places |= {"temporary files": temporary} if temporary.is_dir() else {}
    free = {name: shutil.disk_usage(path).free / _GIB for name, path in places.items()}
    shown = ", ".join(f"{gib:.1f} GiB free for {name}" for name, gib in free.items())
    advice = "Free space, or name another place by XDG_CACHE_HOME and TMPDIR."
    least = min(free.values())
    if least < _TOO_LITTLE:
        yield Result(topic="disk", status=Status.FAILED, message=shown, advice=advice, code=UNAVAILABLE)
    elif least < _ENOUGH:
        yield warned("disk", f"{shown}: models' environments and an image take about {_ENOUGH:.0f} GiB", advice)
    else:
        yield fine("disk", shown)


def reports(subject: Subject) -> Iterator[Result]:
    """Say whether reports can be written."""
    place = _existing(subject.context.reports)
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        yield fine("reports", f"can be written to {subject.context.reports}/")
        return
    yield Result(
        topic="reports",
        status=Status.FAILED,
        message=f"cannot be written: {place} is not a folder that this user may write to",
        advice="Change its owner, or set another place by --reports or --report.",
        code=UNAVAILABLE,
    )


def tools(subject: Subject) -> Iterator[Result]:
    """Say which tools of check-code the project's own Python has."""
    wanted = subject.option("tools") or settings.read(subject.context.directory).tools()
    python = find_python(subject.option("python"), subject.context.environ)
    if subject.brought_by_repository(python):
        yield not_started("code tools", python)
        return
    have = own_tools(wanted, python, subject.context, seconds=SECONDS)
    own = [f"{name} {version}".strip() for name, version in have.items() if version is not None]
    lacking = [name for name, version in have.items() if version is None]
    told = f"{', '.join(own)} of {python}" if own else f"{python} has none"
    yield fine("code tools", f"{told}; cd4ml takes copies of its own for {', '.join(lacking)}" if lacking else told)


def _existing(path: Path) -> Path:
    """Return a path, or what there is on the way to it."""
    path = Path(os.path.abspath(path))
    return next(place for place in (path, *path.parents) if place.exists())
