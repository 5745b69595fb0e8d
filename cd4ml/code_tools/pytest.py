"""pytest: tests are there, they ran, and they passed; with coverage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from cd4ml.code_tools.tool import Output, Project, Result, crashed, relative
from cd4ml.report import Check, Location, Status

_PASSED, _FAILED, _INTERRUPTED, _NOTHING_COLLECTED = 0, 1, 2, 5


def arguments(project: Project) -> list[str]:
    """Return the command line; results go to the scratch folder, nothing into the caller's tree."""
    results = [f"--junitxml={project.scratch / 'junit.xml'}", "--override-ini=junit_family=xunit1"]
    coverage = ["--cov", f"--cov-report=json:{project.scratch / 'coverage.json'}"] if project.coverage else []
    folders = [path for path in project.paths if Path(path).is_dir() or Path(path).name.startswith("test_")]
    return ["pytest", "-q", "--color=no", "-p", "no:cacheprovider", *results, *coverage, *folders]


def read(output: Output, project: Project) -> Result:
    """Read the results of every test."""
    junit = project.scratch / "junit.xml"
    if output.code == _NOTHING_COLLECTED:
        return Result(checks=(_nothing("No tests were collected."),))
    if output.code not in (_PASSED, _FAILED, _INTERRUPTED) or not junit.is_file():
        return crashed("pytest", output)
    # The file was written by pytest, but the texts in it are the caller's: entities are not expanded by this parser.
    cases = list(ElementTree.parse(junit).iter("testcase"))
    findings = list(_findings(cases))
    skipped = sum(case.find("skipped") is not None for case in cases)
    if (output.code != _PASSED) != bool(findings):
        return crashed("pytest", output)
    metrics = {"tests": len(cases), "failed": len(findings), "skipped": skipped, "coverage": _coverage(project)}
    if skipped == len(cases):
        return Result(checks=(_nothing(f"All {len(cases)} tests were skipped."),), metrics=metrics)
    own = Check(
        id="pytest",
        status=Status.FAILED if findings else Status.PASSED,
        reason="tests-failed" if findings else None,
        metric="failed-tests",
        value=len(findings),
        limit=0,
        n=len(cases),
        message=f"{len(findings)} of {len(cases)} tests failed, {skipped} were skipped.",
    )
    return Result(checks=(own, *findings), metrics=metrics)


def _nothing(what: str) -> Check:
    """Return the check for a project of which nothing was tested."""
    return Check(
        id="pytest",
        status=Status.ERROR,
        reason="no-tests",
        n=0,
        message=f"{what} Nothing was tested.",
        advice="Add a test, or take pytest out of tools.",
    )


def _findings(cases: list[ElementTree.Element]) -> Iterator[Check]:
    """Yield a check for each test that failed or could not be collected."""
    for case in cases:
        problem = next((child for child in case if child.tag in ("failure", "error")), None)
        if problem is not None:
            name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
            yield Check(
                id=f"pytest:{name}",
                status=Status.FAILED,
                reason="test-failed" if problem.tag == "failure" else "test-error",
                message=f"{name}: {_cause(problem)[:300]}",
                location=_location(case),
            )


def _cause(problem: ElementTree.Element) -> str:
    """Return the line that says why a test failed; for a module that was not collected, the exception."""
    if problem.tag == "error":
        lines = (problem.text or "").splitlines()
        raised = [line[1:].strip() for line in lines if line.startswith("E ")]
        if raised:
            return raised[-1]
    lines = (problem.get("message") or problem.text or "failed").strip().splitlines()
    return lines[0] if lines else "failed"


def _location(case: ElementTree.Element) -> Location | None:
    """Return where the test stands; pytest counts lines from 0 here."""
    file, line = case.get("file"), case.get("line")
    return Location(path=relative(file), line=int(line) + 1 if line else None) if file else None


def _coverage(project: Project) -> float | None:
    """Return the covered share of lines (and branches, if they are measured) in percent, None if it was not measured.

    Only files of the project count: own copies of the tools lie elsewhere, where coverage takes them for its code.
    """
    path = project.scratch / "coverage.json"
    if not path.is_file():
        return None
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    own = [file["summary"] for name, file in files.items() if (Path.cwd() / name).is_relative_to(Path.cwd())]
    covered = sum(summary["covered_lines"] + summary.get("covered_branches", 0) for summary in own)
    total = sum(summary["num_statements"] + summary.get("num_branches", 0) for summary in own)
    return 100 * covered / total if total else None
