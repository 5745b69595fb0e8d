"""Run black, flake8, mypy and pytest over the caller's project, in the caller's Python."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import nearest, option
from cd4ml.report import Check, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.code_tools.tool import Project, Result

STAGE: Final = "check-code"
OUTPUTS: Final[dict[str, str]] = {}
MOST_FINDINGS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of check-code."""

    paths: tuple[str, ...] = option("Files and folders to check.", default=(".",), example="src, tests")
    tools: tuple[str, ...] = option("Tools to run.", default=("black", "flake8", "mypy", "pytest"))
    minimum_coverage: float | None = option("Lowest allowed test coverage in percent.", example="80")
    python: str | None = option(
        "The interpreter of the project's environment (default: the active one, else python on PATH)."
    )
    timeout: float = option("Seconds that one tool may take.", default=1800.0)


def run(options: Options, context: Context) -> Report:
    """Run the tools side by side and collect what they find.

    Raises:
        OptionsError: unknown tools, or paths without Python files.
        UnavailableError: no interpreter, or a tool can neither be found nor installed.
    """
    from cd4ml.code_tools import TOOLS
    from cd4ml.code_tools.interpreter import commands, find_python
    from cd4ml.code_tools.tool import Project

    _check_options(options, TOOLS)
    python = find_python(options.python, context.environ)
    started = commands(options.tools, python, context)
    context.progress(f"Running {', '.join(options.tools)} side by side")
    with tempfile.TemporaryDirectory(prefix="cd4ml-check-code-") as scratch:
        project = Project(paths=options.paths, scratch=Path(scratch), coverage="pytest" in options.tools)
        with ThreadPoolExecutor(max_workers=len(options.tools)) as pool:
            futures = {
                tool: pool.submit(_run, tool, started[tool], project, options, context) for tool in options.tools
            }
            results = {tool: future.result() for tool, future in futures.items()}
    checks = [check for result in results.values() for check in result.checks]
    checks += _coverage(results, options)
    return Report(
        stage=STAGE,
        checks=_bounded(checks),
        summary=_summary(results, checks),
        metrics={tool: dict(result.metrics) for tool, result in results.items()},
    )


def _check_options(options: Options, known: Any) -> None:
    """Refuse what would check nothing."""
    problems = [f"tools: `{name}` is no tool{nearest(name, known)}" for name in options.tools if name not in known]
    if not options.tools:
        problems.append("tools: none is named")
    for path in options.paths:
        if not Path(path).exists():
            problems.append(f"paths: {path} does not exist")
        elif path.startswith("-"):
            problems.append(f"paths: {path} begins with a dash")
    if options.minimum_coverage is not None:
        if not 0 <= options.minimum_coverage <= 100:
            problems.append("minimum-coverage must lie between 0 and 100")
        if "pytest" not in options.tools:
            problems.append("minimum-coverage needs pytest among the tools")
    if not problems and not any(_python_files(path) for path in options.paths):
        problems.append(f"paths: no Python file in {', '.join(options.paths)}")
    if problems:
        raise OptionsError(problems)


def _python_files(path: str) -> bool:
    """Whether a path is or holds a Python file outside hidden folders."""
    if Path(path).is_file():
        return path.endswith((".py", ".pyi"))
    found = (file.relative_to(path).parts for file in Path(path).rglob("*.py"))
    return any(not any(part.startswith(".") for part in parts) for parts in found)


def _run(tool: str, command: Sequence[str], project: Project, options: Options, context: Context) -> Result:
    """Run one tool and read its output."""
    from cd4ml.code_tools import TOOLS
    from cd4ml.code_tools.interpreter import environment
    from cd4ml.code_tools.tool import Output, crashed

    env = environment(context.environ)
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", "COVERAGE_FILE": str(project.scratch / ".coverage")}
    try:
        result = subprocess.run(
            [*command, *TOOLS[tool].arguments(project)],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=options.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return crashed(tool, Output(code=-1, stdout="", stderr=f"no end after {options.timeout:.0f} seconds"))
    output = Output(
        code=result.returncode,
        stdout=result.stdout.decode("utf-8", "replace"),
        stderr=result.stderr.decode("utf-8", "replace"),
    )
    return TOOLS[tool].read(output, project)


def _coverage(results: dict[str, Result], options: Options) -> Iterator[Check]:
    """Check the coverage against its minimum."""
    if options.minimum_coverage is None:
        return
    covered = results["pytest"].metrics.get("coverage")
    shared: dict[str, Any] = {"id": "coverage", "metric": "coverage", "limit": options.minimum_coverage}
    if covered is None:
        yield Check(
            **shared,
            status=Status.ERROR,
            reason="not-measured",
            message="The coverage of the tests was not measured.",
            advice="Mend the tests first; then see whether the coverage configuration leaves any code in.",
        )
        return
    enough = covered >= options.minimum_coverage
    yield Check(
        **shared,
        status=Status.PASSED if enough else Status.FAILED,
        reason=None if enough else "below-minimum",
        value=covered,
        message=f"The tests cover {covered:.1f} % of the lines; the minimum is {options.minimum_coverage:g} %.",
        advice=None if enough else "Test what is not covered yet, first of all what decides.",
    )


def _bounded(checks: list[Check]) -> list[Check]:
    """Return at most so many checks; what is left out is counted in a check of its own."""
    if len(checks) <= MOST_FINDINGS:
        return checks
    rest = checks[MOST_FINDINGS - 1 :]
    hidden = replace(rest[0], id="more-findings", message=f"{len(rest)} more checks are not listed.", location=None)
    status = max((check.status for check in rest), key=["passed", "failed", "error"].index)
    return [*checks[: MOST_FINDINGS - 1], replace(hidden, status=status, reason="too-many", value=len(rest))]


def _summary(results: dict[str, Result], checks: Sequence[Check]) -> str:
    """Say in one sentence what was found."""
    blocking = [tool for tool, result in results.items() if any(c.status is not Status.PASSED for c in result.checks)]
    if blocking:
        return " ".join(results[tool].checks[0].message for tool in blocking)
    if any(check.status is not Status.PASSED for check in checks):
        return next(check.message for check in checks if check.status is not Status.PASSED)
    return f"{', '.join(results)} found nothing."
