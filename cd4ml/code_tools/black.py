"""black: every file is formatted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cd4ml.code_tools.tool import Output, Project, Result, crashed, relative, verdict
from cd4ml.report import Check, Location, Status


def arguments(project: Project) -> list[str]:
    """Return the command line: check only, and show where."""
    return ["black", "--check", "--diff", "--no-color", *project.paths]


def read(output: Output, project: Project) -> Result:
    """Read the diff: one check for each file that black would change, at its first change."""
    looked_at = re.search(r"\d+ files? would be (left unchanged|reformatted)", output.stderr)
    if output.code not in (0, 1) or not looked_at:
        return crashed("black", output)
    findings = list(_findings(output.stdout))
    if (output.code == 1) != bool(findings):
        return crashed("black", output)
    return verdict(
        "black", findings, clean="Every file is formatted.", found=f"{len(findings)} files are not formatted."
    )


def _findings(diff: str) -> Iterator[Check]:
    """Yield a check for each file of the diff."""
    hunk = r"^--- ([^\t\n]+)\t[^\n]*\n\+\+\+ [^\n]*\n@@ -(\d+)[^\n]*\n((?: [^\n]*\n)*)"
    for name, start, context in re.findall(hunk, diff, re.M):
        path = relative(name)
        yield Check(
            id=f"black:{path}",
            status=Status.FAILED,
            reason="not-formatted",
            message="black would reformat this file.",
            advice=f"Run: black {path}",
            location=Location(path=path, line=max(1, int(start)) + context.count("\n")),
        )
