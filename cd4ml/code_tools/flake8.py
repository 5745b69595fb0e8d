"""flake8: no findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from cd4ml.code_tools.findings import identified
from cd4ml.code_tools.tool import Output, Project, Result, crashed, found_by, nothing, relative, verdict
from cd4ml.report import Check, Location, Status

_BENCHMARK: Final = re.compile(r"^[\d.]+ +(seconds elapsed|total .* processed|.* processed per second)\n", re.M)
_OPTIONS: Final = ("--benchmark", "--format=%(path)s\t%(row)d\t%(col)d\t%(code)s\t%(text)s")
# Started in flake8's place, which has no option for it: it reads the mistakes in the place of every file, below the
# comments by which a file says `flake8: noqa` of itself as a whole.
_PROBING: Final = "cd4ml_probing"
_PROBING_CODE: Final = """\
import sys
from flake8.main.cli import main
from flake8.processor import FileProcessor
with open({probe!r}, encoding="utf-8") as stream:
    mistakes = stream.readlines()
read = FileProcessor.read_lines_from_filename
def lines(self):
    return [line for line in read(self) if line.lstrip().startswith("#") and "flake8" in line.lower()] + mistakes
FileProcessor.read_lines_from_filename = lines
if __name__ == "__main__":
    sys.exit(main())
"""


def arguments(project: Project) -> list[str]:
    """Return the command line: one finding a line, fields separated by tabs; the benchmark counts the files."""
    return ["flake8", *_OPTIONS, *_defaults(project), *project.places]


def probe_arguments(project: Project) -> list[str]:
    """Return the command line that reads the mistakes in the place of every file, all of them in one process."""
    (project.scratch / f"{_PROBING}.py").write_text(_PROBING_CODE.format(probe=str(project.probe)), encoding="utf-8")
    return [_PROBING, *_OPTIONS, *_defaults(project), "--jobs=1", *project.places]


def _defaults(project: Project) -> list[str]:
    """Return what holds where the project configures no flake8: what black writes is right.

    The codes are those that black's own documentation has flake8 ignore; W503 is among flake8's own.
    """
    if project.settings.flake8:
        return []
    return [f"--max-line-length={project.settings.line_length}", "--extend-ignore=E203,E701"]


def seen(output: Output, project: Project) -> int | None:
    """Return the number of files in whose place a mistake was found."""
    found = {check.location.path for check in _findings(output.stdout) if check.location}
    return len(found) if output.code in (0, 1) else None


def read(output: Output, project: Project) -> Result:
    """Read the findings; flake8 itself is content with a configuration that leaves no file to look at."""
    processed = re.search(r"^(\d+) +total files processed$", output.stdout, re.M)
    findings = list(_findings(output.stdout))
    if output.code not in (0, 1) or not processed or (output.code == 1 and not findings):
        said = _BENCHMARK.sub("", output.stdout)
        return crashed("flake8", replace(output, stdout=said), project)
    files = int(processed[1])
    if not files:
        message = "flake8 checked no file: its configuration excludes them all, or none is a .py file."
        return nothing("flake8", "no-files", message, "Fix its configuration, or remove flake8 from tools.")
    found = f"{found_by('flake8', len(findings))}."
    return verdict(
        "flake8",
        identified(findings),
        clean=f"flake8 found no problems in {files:,} file{'' if files == 1 else 's'}.",
        found=found,
        files=files,
    )


def _findings(text: str) -> Iterator[Check]:
    """Yield a check for each line of flake8's output."""
    for line in text.splitlines():
        path, row, column, code, message = (line.split("\t", 4) + [""] * 5)[:5]
        if row.isdigit() and column.isdigit():
            shown = relative(path)
            yield Check(
                id=f"flake8/{code}",
                status=Status.FAILED,
                reason=code.lower(),
                message=f"{code} {message}",
                location=Location(path=shown, line=max(1, int(row)), column=max(1, int(column))),
            )
