"""pytest: tests are there, they ran, and they passed; with coverage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from cd4ml.code_tools import coverage
from cd4ml.code_tools.tool import Output, Project, Result, crashed, nothing, relative
from cd4ml.report import Bound, Check, Location, Status
from cd4ml.report.ids import check_id, numbered

_PASSED, _FAILED, _INTERRUPTED, _NOTHING_COLLECTED = 0, 1, 2, 5
_LONGEST = 300
_OTHER = "pytest:other"
# Counts what was collected and what was called: options such as --setup-only end with 0 and call no test, and a test
# that calls pytest.exit(returncode=0) ends the run with 0 before the others. Told by pytest itself, at its very end.
COUNTER = "cd4ml_pytest_counter"
_COUNTER_CODE = """\
import json, os

collected, called = set(), set()

def pytest_collection_finish(session):
    collected.update(item.nodeid for item in session.items)

def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        called.add(report.nodeid)

def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        with open(os.path.join(os.path.dirname(__file__), "counted.json"), "w") as stream:
            json.dump({"called": len(called), "left": sorted(collected - called)}, stream)
"""


def arguments(project: Project) -> list[str]:
    """Return the command line: results and leftovers go to the scratch folder, nothing into the caller's tree."""
    scratch = project.scratch
    results = [f"--junitxml={scratch / 'junit.xml'}", "--override-ini=junit_family=xunit1"]
    places = [f"--override-ini=cache_dir={scratch / 'pytest-cache'}", f"--basetemp={scratch / 'tmp'}"]
    (scratch / f"{COUNTER}.py").write_text(_COUNTER_CODE, encoding="utf-8")
    # Named, because PYTEST_DISABLE_PLUGIN_AUTOLOAD would leave it out.
    plugin = ["-p", COUNTER, "-p", "pytest_cov", *coverage.arguments(project)]
    return ["pytest", "-q", "--color=no", *results, *places, *plugin, *_places(project)]


def _places(project: Project) -> list[str]:
    """Return where to look for tests; for the whole project, where the project's own configuration says."""
    if list(project.paths) == ["."]:
        return []
    return [path for path in project.paths if Path(path).is_dir() or coverage.is_test(path)]


def read(output: Output, project: Project) -> Result:
    """Read the results of every test."""
    advice = "Add a test, name the tests among the paths, or remove pytest from tools."
    if output.code == _NOTHING_COLLECTED:
        return nothing("pytest", "no-tests", "No tests were collected: nothing was tested.", advice)
    cases = _cases(project.scratch / "junit.xml")
    if output.code not in (_PASSED, _FAILED, _INTERRUPTED) or cases is None:
        return crashed("pytest", output, project)
    findings = list(_findings(cases, project))
    if not findings and output.code == _PASSED and (left := _left_out(project)):
        return nothing("pytest", "not-run", left, "Remove the option or the call that keeps pytest from running them.")
    counts = _counts(cases)
    if output.code == _FAILED and cases and not findings:
        findings = [_other_failure(output, project)]
    if (output.code != _PASSED) != bool(findings):
        return crashed("pytest", output, project)
    if counts.tests and counts.skipped == counts.tests:
        message = f"All {counts.tests} tests were skipped: nothing was tested."
        return nothing("pytest", "no-tests", message, advice)
    own = Check(
        id="pytest",
        status=Status.FAILED if findings else Status.PASSED,
        reason=_reason(counts) if findings else None,
        metric="failed-tests",
        # A run can fail though no test did: a number of failed tests would not be the reason then.
        value=counts.failed if counts.failed or not findings else None,
        limit=0 if counts.failed or not findings else None,
        bound=Bound.AT_MOST if counts.failed or not findings else None,
        n=counts.tests,
        message=" ".join(filter(None, [*_apart_from_tests(counts, findings), _told(counts, clean=not findings)])),
    )
    metrics = {name: getattr(counts, name) for name in ("tests", "failed", "errors", "uncollected", "skipped")}
    return Result(checks=(own, *findings), metrics={**metrics, **coverage.read(project)})


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """What became of the tests.

    Attributes:
        tests: how many were collected; a file that could not be is none.
        failed: tests whose own code failed.
        errors: set-ups and tear-downs that failed.
        uncollected: files that could not be collected.
    """

    tests: int
    failed: int
    errors: int
    uncollected: int
    skipped: int


def _counts(cases: list[ElementTree.Element]) -> _Counts:
    """Count; the result file holds a case of its own for a file that was not collected."""
    uncollected = [case for case in cases if _is_uncollected(case)]
    tests = {_name(case) for case in cases if not _is_uncollected(case)}
    return _Counts(
        tests=len(tests),
        failed=sum(case.find("failure") is not None for case in cases),
        errors=sum(case.find("error") is not None for case in cases) - len(uncollected),
        uncollected=len(uncollected),
        skipped=sum(case.find("skipped") is not None for case in cases),
    )


def _is_uncollected(case: ElementTree.Element) -> bool:
    """Whether a case stands for a file that could not be collected."""
    error = case.find("error")
    return error is not None and error.get("message") == "collection failure"


def _name(case: ElementTree.Element) -> str:
    """Return the full name of a test."""
    return ".".join(filter(None, (case.get("classname"), case.get("name"))))


def _reason(counts: _Counts) -> str:
    """Return why a run failed."""
    if counts.uncollected:
        return "not-collected"
    if counts.failed or counts.errors:
        return "tests-failed"
    return "pytest-failed"


def _apart_from_tests(counts: _Counts, findings: Sequence[Check]) -> list[str]:
    """Return what failed that is not a test, which decides before what a test says."""
    said = []
    if counts.uncollected:
        then = " and no test ran" if not counts.tests else ""
        said.append(f"{_plural(counts.uncollected, 'file')} could not be collected{then}.")
    if counts.errors:
        said.append(f"{_plural(counts.errors, 'set-up or tear-down', 'set-ups or tear-downs')} failed.")
    said += [f"{finding.message.rstrip('.')}." for finding in findings if finding.id == _OTHER]
    return said


def _told(counts: _Counts, *, clean: bool) -> str:
    """Say how many tests failed or, where nothing is wrong, passed; nothing where none ran."""
    if not counts.tests:
        return ""
    skipped = f"; {counts.skipped:,} were skipped" if counts.skipped else ""
    if clean:
        return f"{_plural(counts.tests - counts.skipped, 'test')} passed{skipped}."
    return f"{counts.failed:,} of {_plural(counts.tests, 'test')} failed{skipped}."


def _plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _cases(path: Path) -> list[ElementTree.Element] | None:
    """Return the tests of a result file, None if there is no whole one."""
    try:
        # Entities of the caller's texts are not expanded by this parser.
        return list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None


def _left_out(project: Project) -> str | None:
    """Return which tests were collected and never called, None if each was."""
    try:
        counted = json.loads((project.scratch / "counted.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "Which tests ran is unknown: pytest did not finish."
    if counted["left"]:
        return f"{len(counted['left'])} tests were collected and did not run; the first: {counted['left'][0]}."
    return None


def _other_failure(output: Output, project: Project) -> Check:
    """Return the check for a run that pytest calls failed though every test passed, such as by --cov-fail-under."""
    said = [line for line in output.stdout.splitlines() if line.startswith(("FAIL", "ERROR"))] or [output.stdout]
    return Check(
        id=_OTHER,
        status=Status.FAILED,
        reason="pytest-failed",
        message=f"Every test passed, but pytest says: {project.plain(' '.join(said[-1].split()))[-_LONGEST:]}",
        advice="Fix that, or change the setting that requires it (for example --cov-fail-under).",
    )


def _findings(cases: list[ElementTree.Element], project: Project) -> Iterator[Check]:
    """Yield a check for each test that failed or could not be collected."""
    # A test whose tear-down fails after its own code is there twice.
    ids = iter(numbered(check_id("pytest", _name(case)) for case in cases if _problem(case) is not None))
    for case in cases:
        if (problem := _problem(case)) is not None:
            name = _name(case)
            yield Check(
                id=next(ids),
                status=Status.FAILED,
                reason=_finding_reason(case, problem),
                message=f"{name}: {project.plain(_cause(problem))[:_LONGEST]}",
                location=_location(case),
            )


def _problem(case: ElementTree.Element) -> ElementTree.Element | None:
    """Return what failed in a test, None if nothing did."""
    return next((child for child in case if child.tag in ("failure", "error")), None)


def _finding_reason(case: ElementTree.Element, problem: ElementTree.Element) -> str:
    """Return what kind of failure a finding is."""
    if _is_uncollected(case):
        return "not-collected"
    return "test-failed" if problem.tag == "failure" else "test-error"


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
    """Return where the test stands; pytest counts lines from 0 here, and has none for what it could not collect."""
    file, line = case.get("file"), case.get("line")
    if file:
        return Location(path=relative(file), line=int(line) + 1 if line else None)
    module = Path(*(case.get("name") or "").split(".")).with_suffix(".py")
    return Location(path=module.as_posix()) if module.is_file() else None
