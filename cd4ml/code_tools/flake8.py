"""flake8: no findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from cd4ml.code_tools.tool import Output, Project, Result, crashed, nothing, relative, verdict
from cd4ml.report import Check, Location, Status

_BENCHMARK: Final = re.compile(r"^[\d.]+ +(seconds elapsed|total .* processed|.* processed per second)\n", re.M)


_COMMAND: Final = ("flake8", "--benchmark", "--format=%(path)s\t%(row)d\t%(col)d\t%(code)s\t%(text)s")


def arguments(project: Project) -> list[str]:
    """Return the command line: one finding a line, fields separated by tabs; the benchmark counts the files."""
    return [*_COMMAND, *project.paths]


def probe_arguments(project: Project) -> list[str]:
    """Return the command line that looks at the mistakes."""
    return [*_COMMAND, str(project.probe)]


def seen(output: Output, project: Project) -> int | None:
    """Return whether (1 or 0) a mistake was found."""
    return int(any(_findings(output.stdout))) if output.code in (0, 1) else None


def read(output: Output, project: Project) -> Result:
    """Read the findings; flake8 itself is content with a configuration that leaves no file to look at."""
    processed = re.search(r"^(\d+) +total files processed$", output.stdout, re.M)
    findings = list(_findings(output.stdout))
    if output.code not in (0, 1) or not processed or (output.code == 1 and not findings):
        said = _BENCHMARK.sub("", output.stdout)
        return crashed("flake8", replace(output, stdout=said), project)
    files = int(processed[1])
    if not files:
        message = "flake8 looked at no file: its configuration excludes them all, or none is a .py file."
        return nothing("flake8", "no-files", message, "Mend its configuration, or take flake8 out of tools.")
    found = f"Findings of flake8: {len(findings)}."
    return verdict("flake8", findings, clean="No findings.", found=found, files=files)


def _findings(text: str) -> Iterator[Check]:
    """Yield a check for each line of flake8's output."""
    for line in text.splitlines():
        path, row, column, code, message = (line.split("\t", 4) + [""] * 5)[:5]
        if row.isdigit() and column.isdigit():
            shown = relative(path)
            yield Check(
                id=f"flake8:{shown}:{row}:{column}:{code}",
                status=Status.FAILED,
                reason=code.lower(),
                message=f"{code} {message}",
                location=Location(path=shown, line=max(1, int(row)), column=max(1, int(column))),
            )
