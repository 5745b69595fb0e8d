"""mypy: the code is typed, as the project's own configuration demands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cd4ml.code_tools import mypy_cache
from cd4ml.code_tools.findings import identified
from cd4ml.code_tools.tool import Output, Project, Result, crashed, found_by, relative, verdict
from cd4ml.report import Check, Location, Status

_LINE = re.compile(
    r"(?P<file>.+?):(?P<line>\d+):(?:(?P<column>\d+):)? "
    r"(?P<severity>error|note): (?P<message>.*?)(?:  \[(?P<code>[\w-]+)\])?"
)
_FIRST_WITH_JSON = (1, 11)
_FIRST_WITH_UNTYPED = (1, 6)


def arguments(project: Project) -> list[str]:
    """Return the command line; the cache stays out of the caller's tree."""
    return [*_command(project, mypy_cache.NAME), *project.places]


def probe_arguments(project: Project) -> list[str]:
    """Return the command line that reads the mistakes in the place of every file: options may differ by module."""
    shadows = project.scratch / "mypy-shadows"
    lines = [line for file in project.python for line in ("--shadow-file", str(file), str(project.probe))]
    shadows.write_text("\n".join(lines), encoding="utf-8")
    return [*_command(project, "mypy-probe"), f"@{shadows}", *project.places]


def seen(output: Output, project: Project) -> int | None:
    """Return the number of files in whose place a mistake was found."""
    try:
        found = {check.location.path for check in _findings(output.stdout, project) if check.location}
    except (ValueError, KeyError, TypeError):
        return None
    return len(found) if output.code in (0, 1) else None


def _command(project: Project, cache: str) -> list[str]:
    """Return the command line without paths."""
    quiet = ["--no-error-summary", "--no-pretty", "--no-color-output", "--show-column-numbers"]
    form = ["--output", "json"] if _writes_json(project.versions.get("mypy")) else ["--show-error-codes"]
    stubs = [] if project.settings.mypy else _without_stubs(project.versions.get("mypy"))
    return ["mypy", *quiet, *form, *stubs, "--cache-dir", str(project.scratch / cache)]


def _without_stubs(version: str | None) -> list[str]:
    """Return the option by which third parties without types are not errors of a project that configures no mypy."""
    if _is_at_least(version, _FIRST_WITH_UNTYPED):
        return ["--disable-error-code=import-untyped"]
    return ["--ignore-missing-imports"]


def _writes_json(version: str | None) -> bool:
    """Whether this version of the caller's mypy can write JSON."""
    return _is_at_least(version, _FIRST_WITH_JSON)


def _is_at_least(version: str | None, first: tuple[int, int]) -> bool:
    """Whether the caller's mypy is new enough; cd4ml's own copy is."""
    numbers = re.match(r"(\d+)\.(\d+)", version or "")
    return not numbers or (int(numbers[1]), int(numbers[2])) >= first


def read(output: Output, project: Project) -> Result:
    """Read the errors; mypy ends with 2 if it could not look, which a syntax error is a reason for."""
    try:
        findings = list(_findings(output.stdout, project))
    except (ValueError, KeyError, TypeError):
        return crashed("mypy", output, project)
    stopped_by_syntax = output.code == 2 and bool(findings) and all(item.reason == "syntax" for item in findings)
    if output.code not in (0, 1) and not stopped_by_syntax or (output.code != 0) != bool(findings):
        return crashed("mypy", output, project)
    return verdict(
        "mypy", identified(findings), clean="mypy found no type errors.", found=f"{found_by('mypy', len(findings))}."
    )


def _findings(text: str, project: Project) -> Iterator[Check]:
    """Yield a check for each error, from JSON lines or, of an older mypy, from text."""
    for line in text.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
        else:
            match = _LINE.fullmatch(line)
            found = match.groupdict() if match else {}
        if found.get("severity") == "error":
            path, code = relative(found["file"]), str(found.get("code") or "error")
            # Columns count from 0 in JSON and from 1 in text; what concerns a whole file has neither line nor column.
            row = max(1, int(found["line"]))
            column = max(1, int(found.get("column") or 0) + line.startswith("{"))
            yield Check(
                id=f"mypy/{code}",
                status=Status.FAILED,
                reason=code,
                message=project.plain(str(found["message"])),
                location=Location(path=path, line=row, column=column),
            )
