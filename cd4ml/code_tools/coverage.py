"""The coverage of the caller's tests: which files count, and the share of them that ran.

A file that no test imports counts as not covered. Where the caller's configuration names the source, that is what is
measured; else it is what lies under the given paths, without the tests themselves: they always run, and would raise
the number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cd4ml.code_tools.tool import Project


def arguments(project: Project) -> list[str]:
    """Return the options of pytest-cov."""
    report = f"--cov-report=json:{project.scratch / 'coverage.json'}"
    if project.coverage_configured:
        return ["--cov", report]
    code = [Path(path) for path in project.paths if not is_test(path)]
    # coverage knows folders and modules, not files: of a file's folder, only the file is counted afterwards.
    folders = sorted({(path if path.is_dir() else path.parent).as_posix() for path in code})
    return [*(f"--cov={folder}" for folder in folders or ["."]), report]


def is_test(path: str) -> bool:
    """Whether a path is a test file, or lies in a folder of tests."""
    parts = Path(path).parts
    name = parts[-1] if parts else ""
    return (
        bool({"test", "tests"} & set(parts))
        or name == "conftest.py"
        or (name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py")))
    )


def read(project: Project) -> dict[str, float | int | None]:
    """Return the covered share of lines (and branches, if they are measured) in percent, and of how many.

    The share is None if nothing was measured.
    """
    path = project.scratch / "coverage.json"
    if not path.is_file():
        return {"coverage": None}
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    own = list(_counted(files, project))
    covered = sum(summary["covered_lines"] + summary.get("covered_branches", 0) for summary in own)
    total = sum(summary["num_statements"] + summary.get("num_branches", 0) for summary in own)
    return {"coverage": 100 * covered / total if total else None, "measured-lines": total}


def _counted(files: Mapping[str, Any], project: Project) -> Iterator[Any]:
    """Yield the summaries of the files that count; cd4ml's copies of the tools lie elsewhere and never do."""
    here = Path.cwd()
    own = {(here / file).resolve() for file in project.python}
    for name, file in files.items():
        path = (here / name).resolve()
        if not path.is_relative_to(here):
            continue
        if project.coverage_configured:
            yield file["summary"]
        elif path in own and not is_test(str(path.relative_to(here))):
            yield file["summary"]
