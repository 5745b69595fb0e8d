"""ruff: no findings, as the project's own configuration demands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cd4ml.code_tools.findings import identified
from cd4ml.code_tools.tool import Output, Project, Result, crashed, found_by, nothing, relative, verdict
from cd4ml.report import Check, Location, Status

_OPTIONS: Final = ("check", "--output-format=json", "--no-cache", "--no-fix", "--no-fix-only", "--exit-zero")
_SETTINGS: Final = ("pyproject.toml", "ruff.toml", ".ruff.toml")


def arguments(project: Project) -> list[str]:
    """Return the command line."""
    return ["ruff", *_OPTIONS, *project.places]


def probe_arguments(project: Project) -> list[str]:
    """Return the command line that looks at mistakes in the place of every file, in a copy of the project's folders.

    ruff takes settings from the folders above a file, and some of them for a file by its name.
    """
    copy = project.scratch / "ruff"
    here = Path.cwd().resolve()
    top = project.top.resolve()
    for file in (here / file for file in project.python):
        if file.is_relative_to(top):
            place = copy / file.relative_to(top)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(_own_words(file) + project.probe.read_text(encoding="utf-8"), encoding="utf-8")
            _copy_settings(file.parent, top, copy)
    return ["ruff", *_OPTIONS, str(copy / here.relative_to(top) if here.is_relative_to(top) else copy)]


def _own_words(file: Path) -> str:
    """Return the comments by which a file says `ruff: noqa` of itself."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "".join(
        f"{line}\n" for line in lines if line.startswith("#") and ("ruff" in line.lower() or "flake8" in line.lower())
    )


def _copy_settings(folder: Path, top: Path, copy: Path) -> None:
    """Copy the settings of a folder and of those above it."""
    for above in (folder, *folder.parents):
        if not above.is_relative_to(top) or (copy / above.relative_to(top) / ".copied").exists():
            return
        target = copy / above.relative_to(top)
        target.mkdir(parents=True, exist_ok=True)
        (target / ".copied").touch()
        for source in {*(above / name for name in _SETTINGS), *above.glob("*ruff*.toml")}:
            if source.is_file():
                shutil.copyfile(source, target / source.name)


def seen(output: Output, project: Project) -> int | None:
    """Return the number of files in whose place a mistake was found."""
    try:
        found = {item["filename"] for item in json.loads(output.stdout)}
    except (ValueError, KeyError, TypeError):
        return None
    return len(found) if output.code == 0 else None


def read(output: Output, project: Project) -> Result:
    """Read the findings; ruff itself is content with a configuration that leaves no file to look at."""
    if "No Python files found" in output.stderr:
        message = "ruff checked no file: its configuration excludes them all."
        return nothing("ruff", "no-files", message, "Fix its configuration, or remove ruff from tools.")
    try:
        findings = list(_findings(output.stdout))
    except (ValueError, KeyError, TypeError):
        return crashed("ruff", output, project)
    if output.code != 0:
        return crashed("ruff", output, project)
    return verdict(
        "ruff", identified(findings), clean="ruff found no problems.", found=f"{found_by('ruff', len(findings))}."
    )


def _findings(text: str) -> Iterator[Check]:
    """Yield a check for each finding."""
    for item in json.loads(text):
        path, code = relative(item["filename"]), str(item["code"] or "invalid-syntax")
        row, column = max(1, int(item["location"]["row"])), max(1, int(item["location"]["column"]))
        yield Check(
            id=f"ruff/{code}",
            status=Status.FAILED,
            reason=code.lower(),
            message=f"{code} {item['message']}",
            location=Location(path=path, line=row, column=column),
        )
