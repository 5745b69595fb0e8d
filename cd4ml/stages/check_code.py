"""Run black, flake8, mypy and pytest over the caller's project, in the caller's Python."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import nearest, option
from cd4ml.report import Check, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.code_tools.tool import Output, Project, Result

STAGE: Final = "check-code"
OUTPUTS: Final[dict[str, str]] = {}
MOST_FINDINGS: Final = 1000
_PROBE: Final = "probe-"


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
    from cd4ml.code_tools import PROBED_TOOLS, TOOLS
    from cd4ml.code_tools.interpreter import examine, find_python
    from cd4ml.code_tools.probe import write
    from cd4ml.code_tools.tool import Project, bounded, probed

    tools = tuple(dict.fromkeys(options.tools))
    _check_options(options, TOOLS)
    python = examine(tools, find_python(options.python, context.environ), context)
    context.progress(f"Running {', '.join(tools)}{' side by side' if len(tools) > 1 else ''}")
    with tempfile.TemporaryDirectory(prefix="cd4ml-", ignore_cleanup_errors=True) as scratch:
        project = Project(
            paths=tuple(dict.fromkeys(options.paths)),
            scratch=Path(scratch),
            probe=write(Path(scratch)),
            versions=python.versions,
            coverage_configured="pytest" in tools and python.configures_coverage(context.environ),
        )
        start = {tool: python.command(tool, project.scratch) for tool in tools}
        commands = {tool: [*start[tool], *TOOLS[tool].arguments(project)] for tool in tools}
        probes = {tool: module for tool, module in PROBED_TOOLS.items() if tool in tools}
        commands |= {_PROBE + tool: [*start[tool], *probes[tool].probe_arguments(project)] for tool in probes}
        outputs = _side_by_side(commands, project, options, context)
        results = {tool: TOOLS[tool].read(outputs[tool], project) for tool in tools}
        for tool, module in probes.items():
            output = outputs[_PROBE + tool]
            results[tool] = probed(tool, results[tool], module.seen(output, project), output, project)
    coverage = list(_coverage(results, options))
    shown = bounded(results, MOST_FINDINGS - len(coverage))
    return Report(
        stage=STAGE,
        checks=[*(check for result in shown.values() for check in result.checks), *coverage],
        summary=_summary(results, coverage),
        metrics={tool: dict(result.metrics) for tool, result in results.items()},
    )


def _check_options(options: Options, known: Any) -> None:
    """Refuse what would check nothing."""
    from cd4ml.code_tools.tool import python_files

    if options.timeout <= 0:
        raise OptionsError("timeout must be positive")
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
        elif 0 < options.minimum_coverage <= 1:
            meant = f"{100 * options.minimum_coverage:g}"
            problems.append(f"minimum-coverage is in percent, got {options.minimum_coverage:g} (did you mean {meant}?)")
        if "pytest" not in options.tools:
            problems.append("minimum-coverage needs pytest among the tools")
    if not problems and not any(any(python_files(Path(path))) for path in options.paths):
        problems.append(f"paths: no Python file in {', '.join(options.paths)}")
    if problems:
        raise OptionsError(problems)


def _side_by_side(
    commands: dict[str, list[str]], project: Project, options: Options, context: Context
) -> dict[str, Output]:
    """Run the tools at once and return what each left behind."""
    from cd4ml.code_tools.interpreter import environment
    from cd4ml.code_tools.process import Running

    scratch = project.scratch
    environ = {
        **environment(context.environ),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "COVERAGE_FILE": str(scratch / ".coverage"),
        "BLACK_CACHE_DIR": str(scratch / "black"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
    }
    running = Running()
    with ThreadPoolExecutor(max_workers=len(commands)) as pool:
        futures = {
            tool: pool.submit(running.run, tool, command, environ, scratch, options.timeout)
            for tool, command in commands.items()
        }
        try:
            return {tool: future.result() for tool, future in futures.items()}
        finally:
            running.end()


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
            advice="Name the code among the paths, and see whether the coverage configuration leaves any of it in.",
        )
        return
    enough = covered >= options.minimum_coverage
    yield Check(
        **shared,
        status=Status.PASSED if enough else Status.FAILED,
        reason=None if enough else "below-minimum",
        value=covered,
        n=int(results["pytest"].metrics.get("measured-lines") or 0),
        message=f"The tests cover {_floor(covered)} % of the code; the minimum is {options.minimum_coverage:g} %.",
        advice=None if enough else "Test what is not covered yet, first of all what decides.",
    )


def _floor(percent: float) -> str:
    """Return a percentage rounded down: 79.96 is not the 80.0 that it would be shown as."""
    return f"{math.floor(percent * 10) / 10:.1f}"


def _summary(results: dict[str, Result], coverage: Sequence[Check]) -> str:
    """Say in one sentence what was found."""
    checks = [*(result.checks[0] for result in results.values()), *coverage]
    blocking = [check.message for check in checks if check.status is not Status.PASSED]
    return " ".join(blocking) if blocking else f"{', '.join(results)} found nothing."
