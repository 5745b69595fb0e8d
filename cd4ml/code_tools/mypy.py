"""mypy: the code is typed, as the project's own configuration demands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cd4ml.code_tools.tool import Output, Project, Result, crashed, relative, verdict
from cd4ml.report import Check, Location, Status

_LINE = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?:(?P<column>\d+):)? (?P<severity>error|note): (?P<message>.*)")


def arguments(project: Project) -> list[str]:
    """Return the command line; the cache stays out of the caller's tree."""
    quiet = ["--no-error-summary", "--no-pretty", "--no-color-output", "--show-column-numbers"]
    return ["mypy", *quiet, "--output", "json", "--cache-dir", str(project.scratch / "mypy"), *project.paths]


def read(output: Output, project: Project) -> Result:
    """Read the errors; mypy ends with 2 if it could not look."""
    if output.code not in (0, 1):
        return crashed("mypy", output)
    findings = list(_findings(output.stdout))
    if (output.code == 1) != bool(findings):
        return crashed("mypy", output)
    return verdict("mypy", findings, clean="No type errors.", found=f"mypy has {len(findings)} errors.")


def _findings(text: str) -> Iterator[Check]:
    """Yield a check for each error, from JSON lines or, of an older mypy, from text."""
    for line in text.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
        else:
            match = _LINE.fullmatch(line)
            found = match.groupdict() if match else {}
        if found.get("severity") == "error":
            path, code = relative(found["file"]), found.get("code") or "error"
            yield Check(
                id=f"mypy:{path}:{found['line']}:{code}",
                status=Status.FAILED,
                reason=str(code),
                message=str(found["message"]),
                location=Location(path=path, line=max(1, int(found["line"]))),
            )
