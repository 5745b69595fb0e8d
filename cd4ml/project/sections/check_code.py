"""What is proposed for check-code."""

from __future__ import annotations

from cd4ml.project.findings import Project
from cd4ml.project.yaml_lines import Entry, Section, sentence


def section(project: Project) -> Section:
    """Return the paths with Python and the tools that the project uses."""
    code = project.code
    if code is None:
        return Section(remarks=["there is no Python file here (notebooks are not checked)."])
    known = {tool: place for tool, place in code.tools.items() if place}
    why = "; ".join(f"{tool} by {place}" for tool, place in known.items())
    if len(known) < len(code.tools):
        why = f"no linter is configured or required here, so ruff with its default rules, which find mistakes; {why}"
    tests = "" if "pytest" in code.tools else " There are no tests: add pytest when there are."
    return Section(
        entries=[
            Entry(key="paths", value=list(code.paths), why="Where the Python files are."),
            Entry(key="tools", value=list(code.tools), why=f"{sentence(why.rstrip('; '))}{tests}"),
        ]
    )
