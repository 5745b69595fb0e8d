"""Run black, flake8 (or ruff), mypy and pytest over the caller's project, in the caller's Python."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from cd4ml.checks.code.coverage import coverage_check
from cd4ml.code_tools import PROBED_TOOLS, TOOLS, changes, files, mypy_cache, settings
from cd4ml.code_tools.interpreter import environment, examine, find_python
from cd4ml.code_tools.probe import write
from cd4ml.code_tools.running import run as run_tool
from cd4ml.code_tools.tool import Output, Project, Result, bounded, probed
from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.process.programs import Group
from cd4ml.report import Check, Report, Status
from cd4ml.stages.check_code.options import Options
from cd4ml.stages.check_code.preflight import check_options

STAGE: Final = "check-code"
MOST_FINDINGS: Final = 1000
_PROBE: Final = "probe-"
_SECONDS_OF_SILENCE: Final = 5.0


def run(options: Options, context: Context) -> Report:
    """Run the tools side by side and collect what they find.

    Raises:
        OptionsError: unknown tools, or paths without Python files.
        UnavailableError: no interpreter, or a tool can neither be found nor installed.
    """
    configured = settings.read(context.directory)
    tools = tuple(dict.fromkeys(options.tools)) or configured.tools()
    check_options(options, tools)
    code = files.find(options.paths, context.checkout)
    if not code.python:
        raise OptionsError(
            f"paths: no Python file in {', '.join(options.paths)}",
            advice="Files that git ignores, and environments, are not the project's code.",
        )
    changed = changes.since(options.baseline, context.checkout) if options.baseline else None
    python = examine(tools, find_python(options.python, context.environ), context)
    files_read = f"{len(code.python):,} Python file{'' if len(code.python) == 1 else 's'}"
    context.progress(f"Checking {files_read} with {', '.join(tools)}")
    with tempfile.TemporaryDirectory(prefix="cd4ml-", ignore_cleanup_errors=True) as scratch:
        project = Project(
            paths=tuple(dict.fromkeys(options.paths)),
            python=code.python,
            places=code.places,
            top=context.checkout.top() or context.directory,
            settings=configured,
            scratch=Path(scratch),
            probe=write(Path(scratch)),
            versions=python.versions,
            coverage_configured="pytest" in tools and python.configures_coverage(context.environ),
        )
        cache = mypy_cache.find(options.mypy_cache, project, python.identity, context) if "mypy" in tools else None
        if cache:
            cache.restore(project)
        start = {tool: python.command(tool, project.scratch) for tool in tools}
        commands = {tool: [*start[tool], *TOOLS[tool].arguments(project)] for tool in tools}
        probes = {tool: module for tool, module in PROBED_TOOLS.items() if tool in tools}
        commands |= {_PROBE + tool: [*start[tool], *probes[tool].probe_arguments(project)] for tool in probes}
        outputs = _side_by_side(commands, project, options, context)
        if cache:
            cache.finish(project, outputs["mypy"])
        results = {tool: TOOLS[tool].read(outputs[tool], project) for tool in tools}
        for tool, module in probes.items():
            output = outputs[_PROBE + tool]
            results[tool] = probed(tool, results[tool], module.seen(output, project), output, project)
    if changed is not None:
        results = {
            tool: (
                result if tool == "pytest" else changes.on_changed_lines(tool, result, changed, options.baseline or "")
            )
            for tool, result in results.items()
        }
    coverage = _coverage(results, options)
    shown = bounded(results, MOST_FINDINGS - len(coverage))
    return Report(
        stage=STAGE,
        checks=_in_order(shown, coverage),
        summary=_summary(results, coverage),
        metrics={"files": len(code.python), **{tool: dict(result.metrics) for tool, result in results.items()}},
    )


def _in_order(results: Mapping[str, Result], coverage: Sequence[Check]) -> list[Check]:
    """Return the checks with what decides first: few annotations are shown, and white space must not hide a test."""
    own = [*(result.checks[0] for result in results.values()), *coverage]
    rank = {Status.ERROR: 0, Status.FAILED: 1}
    first = sorted(own, key=lambda check: rank.get(check.status, 2))
    by_weight = sorted(results, key=list(TOOLS).index, reverse=True)
    return [*first, *(check for tool in by_weight for check in results[tool].checks[1:])]


def _side_by_side(
    commands: dict[str, list[str]], project: Project, options: Options, context: Context
) -> dict[str, Output]:
    """Run the tools at once and return what each left behind."""
    scratch = project.scratch
    environ = {
        **environment(context.environ),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "COVERAGE_FILE": str(scratch / ".coverage"),
        "BLACK_CACHE_DIR": str(scratch / "black"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
    }
    group = Group()
    with ThreadPoolExecutor(max_workers=len(commands)) as pool:
        futures = {
            tool: pool.submit(run_tool, command, environ, options.tool_timeout, group)
            for tool, command in commands.items()
        }
        try:
            _wait(futures, context)
            return {tool: future.result() for tool, future in futures.items()}
        finally:
            group.end()


def _wait(futures: Mapping[str, Future[Output]], context: Context) -> None:
    """Wait for the tools; where that takes a while, say which of them still run."""
    running = wait(futures.values(), timeout=_SECONDS_OF_SILENCE).not_done
    while running:
        names = dict.fromkeys(name.removeprefix(_PROBE) for name, future in futures.items() if future in running)
        context.progress(f"Still running: {', '.join(names)}")
        running = wait(running, return_when=FIRST_COMPLETED).not_done


def _coverage(results: dict[str, Result], options: Options) -> list[Check]:
    """Check the coverage against its minimum, if there is one."""
    if options.minimum_coverage is None:
        return []
    found = results["pytest"].metrics
    lines = int(found.get("measured-lines") or 0)
    return [coverage_check(found.get("coverage"), options.minimum_coverage, lines)]


def _summary(results: dict[str, Result], coverage: Sequence[Check]) -> str:
    """Say in one sentence what was found."""
    checks = [*(result.checks[0] for result in results.values()), *coverage]
    blocking = sorted((check for check in checks if check.status is not Status.PASSED), key=lambda c: c.status.value)
    if blocking:  # `error` comes before `failed`
        return " ".join(check.message for check in blocking)
    old = sum(int(result.metrics.get("old") or 0) for result in results.values())
    said = [f"{', '.join(results)} found no problems{' on changed lines' if old else ''}"]
    if old:
        said.append(f"{old} found on unchanged lines do not block")
    if "pytest" in results:
        tests = int(results["pytest"].metrics["tests"] or 0) - int(results["pytest"].metrics["skipped"] or 0)
        said.append(f"{tests:,} test{'' if tests == 1 else 's'} passed")
    said += [check.message.partition(" (")[0].lower() for check in coverage]
    return "; ".join(said) + "."
