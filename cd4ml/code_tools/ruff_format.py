"""ruff format: every file is formatted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cd4ml.code_tools.diff import changed_lines
from cd4ml.code_tools.tool import Output, Project, Result, crashed, nothing, relative, verdict
from cd4ml.report import Check, Location, Status

NAME = "ruff-format"


def arguments(project: Project) -> list[str]:
    """Return the command line: check only, and show where."""
    return ["ruff", "format", "--check", "--diff", "--no-cache", *project.places]


def read(output: Output, project: Project) -> Result:
    """Read one check for each file that ruff would change, at its first change, or that it cannot parse."""
    if "No Python files found" in output.stderr:
        message = "ruff looked at no file: its configuration excludes them all."
        return nothing(NAME, "no-files", message, f"Fix its configuration, or take {NAME} out of tools.")
    changed = {relative(name): lines for name, lines in changed_lines(output.stdout, "old").items()}
    findings = [*_unformatted(changed), *_unparsed(output.stderr)]
    counted = sum(map(int, re.findall(r"(\d+) files? (?:would be reformatted|already formatted)", output.stderr)))
    understood = len(re.findall(r"^error: ", output.stderr, re.M)) == len(list(_unparsed(output.stderr)))
    if not counted and not findings or not understood or (output.code != 0) != bool(findings):
        return crashed(NAME, output, project)
    found = "1 file is not formatted." if len(findings) == 1 else f"{len(findings):,} files are not formatted."
    result = verdict(NAME, findings, clean="Every file is formatted.", found=found, files=counted or None)
    lines = {f"{NAME}:{path}": tuple(numbers) for path, numbers in changed.items()}
    return Result(checks=result.checks, metrics=result.metrics, lines=lines)


def _unformatted(changed: dict[str, list[int]]) -> Iterator[Check]:
    """Yield a check for each file that would be changed."""
    for path, lines in changed.items():
        yield Check(
            id=f"{NAME}:{path}",
            status=Status.FAILED,
            reason="not-formatted",
            message="ruff would reformat this file.",
            advice=f"Run: ruff format {path}",
            location=Location(path=path, line=lines[0] if lines else 1),
        )


def _unparsed(said: str) -> Iterator[Check]:
    """Yield a check for each file that is no Python."""
    for name, line in re.findall(r"^error: Failed to parse (.+?):(\d+):\d+: ", said, re.M):
        path = relative(name)
        yield Check(
            id=f"{NAME}:{path}",
            status=Status.FAILED,
            reason="cannot-parse",
            message="ruff cannot parse this file: a syntax error, or syntax of another Python version.",
            location=Location(path=path, line=int(line)),
        )
