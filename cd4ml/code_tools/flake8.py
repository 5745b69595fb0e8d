"""flake8: no findings."""

from __future__ import annotations

from collections.abc import Iterator

from cd4ml.code_tools.tool import Output, Project, Result, crashed, relative, verdict
from cd4ml.report import Check, Location, Status


def arguments(project: Project) -> list[str]:
    """Return the command line: one finding a line, fields separated by tabs."""
    template = "%(path)s\t%(row)d\t%(col)d\t%(code)s\t%(text)s"
    return ["flake8", "--color=never", f"--format={template}", *project.paths]


def read(output: Output, project: Project) -> Result:
    """Read the findings."""
    if output.code not in (0, 1):
        return crashed("flake8", output)
    findings = list(_findings(output.stdout))
    if (output.code == 1) != bool(findings):
        return crashed("flake8", output)
    return verdict("flake8", findings, clean="No findings.", found=f"flake8 has {len(findings)} findings.")


def _findings(text: str) -> Iterator[Check]:
    """Yield a check for each line of flake8's output."""
    for line in text.splitlines():
        path, row, column, code, message = (line.split("\t", 4) + [""] * 5)[:5]
        if row.isdigit() and column.isdigit():
            shown = relative(path)
            yield Check(
                id=f"flake8:{shown}:{row}:{code}",
                status=Status.FAILED,
                reason=code.lower(),
                message=f"{code} {message}",
                location=Location(path=shown, line=int(row), column=int(column)),
            )
