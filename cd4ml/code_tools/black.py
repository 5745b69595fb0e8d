"""black: every file is formatted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cd4ml.code_tools.diff import changed_lines
from cd4ml.code_tools.tool import Output, Project, Result, crashed, relative, verdict
from cd4ml.report import Check, Location, Status


def arguments(project: Project) -> list[str]:
    """Return the command line: check only, and show where."""
    return ["black", "--check", "--diff", "--no-color", *project.places]


def read(output: Output, project: Project) -> Result:
    """Read one check for each file that black would change, at its first change, or that it cannot parse."""
    changed = {relative(name): lines for name, lines in changed_lines(output.stdout, "old").items()}
    findings = [*_unformatted(output, changed), *_unparsed(output.stderr)]
    looked_at = findings or re.search(r"\d+ files? would be left unchanged", output.stderr)
    # 123 is said of files that cannot be parsed and of black's own mistakes: only the former are findings.
    understood = len(re.findall(r"^error: ", output.stderr, re.M)) == len(list(_unparsed(output.stderr)))
    if not looked_at or not understood or output.code not in (0, 1, 123) or (output.code != 0) != bool(findings):
        return crashed("black", output, project)
    found = "1 file is not formatted." if len(findings) == 1 else f"{len(findings):,} files are not formatted."
    result = verdict("black", findings, clean="Every file is formatted.", found=found)
    return replace(result, lines={f"black:{path}": tuple(lines) for path, lines in changed.items()})


def _unformatted(output: Output, changed: dict[str, list[int]]) -> Iterator[Check]:
    """Yield a check for each file that would be changed; the diff says where."""
    for name in re.findall(r"^would reformat (.+)$", output.stderr, re.M):
        path = relative(name)
        yield Check(
            id=f"black:{path}",
            status=Status.FAILED,
            reason="not-formatted",
            message="black would reformat this file.",
            advice=f"Run: black {path}",
            location=Location(path=path, line=(changed.get(path) or [1])[0]),
        )


def _unparsed(said: str) -> Iterator[Check]:
    """Yield a check for each file that is no Python, in the words of newer and of older versions."""
    newer = re.findall(r"^error: cannot parse: (.+):(\d+):\d+$", said, re.M)
    older = re.findall(r"^error: cannot format (.+): Cannot parse[^\n]*?: (\d+):\d+:", said, re.M)
    for name, line in [*newer, *older]:
        path = relative(name)
        yield Check(
            id=f"black:{path}",
            status=Status.FAILED,
            reason="cannot-parse",
            message="black cannot parse this file: a syntax error, or syntax of another Python version.",
            location=Location(path=path, line=int(line)),
        )
