"""What is wrong with check-code before any tool runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cd4ml.code_tools import TOOLS, settings
from cd4ml.code_tools.interpreter import find_python
from cd4ml.errors import OptionsError
from cd4ml.reading import missing_file
from cd4ml.stages.check_code.options import Options
from cd4ml.stages.preflight import Early, Finding, tried
from cd4ml.wording import nearest


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    tools = tuple(dict.fromkeys(options.tools))
    if early.here:
        yield from tried(
            lambda: check_options(options, tools or settings.read(early.context.directory).tools()),
            lambda: find_python(options.python, early.context.environ),
        )
    else:
        yield from tried(lambda: _refuse([*_tool_problems(tools), *_coverage_problems(options, tools)]))


def check_options(options: Options, tools: Sequence[str]) -> None:
    """Refuse what would check nothing.

    Raises:
        OptionsError: all that is wrong.
    """
    problems = ["tool-timeout must be positive"] if options.tool_timeout <= 0 else []
    problems += _tool_problems(tools)
    for path in options.paths:
        if not Path(path).exists():
            problems.append(f"paths: {missing_file(Path(path)).message.rstrip('.')}")
        elif path.startswith("-"):
            problems.append(f"paths: {path} begins with a dash")
    _refuse([*problems, *_coverage_problems(options, tools)])


def _refuse(problems: Sequence[str]) -> None:
    """Refuse options with problems."""
    if problems:
        raise OptionsError(problems)


def _tool_problems(tools: Iterable[str]) -> list[str]:
    """Return a problem for each tool that there is not."""
    return [
        f"tools: unknown tool `{name}`{nearest(name, TOOLS)}; the tools are {', '.join(TOOLS)}"
        for name in tools
        if name not in TOOLS
    ]


def _coverage_problems(options: Options, tools: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the limit on coverage."""
    coverage = options.minimum_coverage
    if coverage is None:
        return
    if not 0 <= coverage <= 100:
        yield "minimum-coverage must lie between 0 and 100"
    elif 0 < coverage <= 1:
        yield f"minimum-coverage is in percent, got {coverage:g} (did you mean {100 * coverage:g}?)"
    if tools and "pytest" not in tools:
        yield "minimum-coverage needs pytest among the tools"
