"""The workflow that runs the gates on every pull request.

An expression in it would be evaluated by the platform, so nothing that data, files or folders are called gets into it
but words that were matched in full.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.project.findings import Project
from cd4ml.project.sections import configured
from cd4ml.published import RELEASE, REPOSITORY

ACTIONS: Final = f"{REPOSITORY}@{RELEASE}"
_ACTIONS: Final = re.compile(
    r"(?P<repository>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)@(?P<release>[A-Za-z0-9][\w./-]*)"
)
_FOLDER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_OF_REPORTS: Final = re.compile(r"-report(?=-|$)", re.IGNORECASE)
_CHECKOUT: Final = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_PYTHON: Final = "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0"
_UPLOAD: Final = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0"
_DOWNLOAD: Final = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1"
_HEAD: Final = """\
# Runs every stage that cd4ml.yaml configures: the pull request's own, and main's, which the comment compares it with.
name: {name}
on:
  pull_request:
  push:
    branches: [main, master]
permissions: {{}}
jobs:
  gates:
    runs-on: ubuntu-latest
    permissions:
      contents: read
{defaults}    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
"""
_COMMENT: Final = """\
  comment:
    needs: [gates]
    if: ${{{{ !cancelled() && github.event_name == 'pull_request' }}}}
    runs-on: ubuntu-latest
    permissions:
      actions: read             # the reports of main's last green run
      pull-requests: write      # the comment; on pull requests from forks the token may not, and it says so
    steps:
      - uses: {download}
        with:
          pattern: {name}-report-*
          merge-multiple: true
          path: reports
      - uses: {repository}/actions/comment@{release}
        with:
          name: {name}
        env:
          CD4ML_GITHUB_TOKEN: ${{{{ github.token }}}}
"""


def path(directory: str) -> str:
    """Return where the workflow of a project goes; each of several in one repository has its own."""
    suffix = "" if directory == "." else f"-{directory.replace('/', '-')}"
    return f".github/workflows/model{suffix}.yml"


def check(actions: str, directory: str) -> None:
    """Refuse what must not get into a workflow.

    Raises:
        OptionsError: the actions are not named by their repository and a release, or a folder's name has more than
            letters, digits, `.`, `_` and `-`.
    """
    problems = []
    if not _ACTIONS.fullmatch(actions):
        problems.append(f"actions: expected OWNER/cd4ml@RELEASE, got {actions!r}")
    if directory != "." and not _FOLDER.fullmatch(directory):
        problems.append(f"{directory!r}: a workflow cannot safely name this folder; use letters, digits, `.`, `_`, `-`")
    if problems:
        raise OptionsError(problems)


def workflow(project: Project, actions: str) -> str:
    """Return the text of the workflow.

    Args:
        actions: see `check`.
    """
    around = project.surroundings
    check(actions, around.directory)
    found = _ACTIONS.fullmatch(actions)
    assert found
    inside = around.directory != "."
    # A name that could begin the names of another pipeline's reports is refused.
    name = "cd4ml" if not inside else _OF_REPORTS.sub("-reports", f"cd4ml-{around.directory.replace('/', '-')}")
    title = "model" if not inside else f"model {around.directory}"
    place = f"    defaults:\n      run:\n        working-directory: {around.directory}\n" if inside else ""
    text = _HEAD.format(name=title, defaults=place, checkout=_CHECKOUT)
    text += "".join(f"{line}\n" for line in _steps(project, found["repository"], found["release"], f"{name}-report"))
    words = {"repository": found["repository"], "release": found["release"]}
    return text + _COMMENT.format(name=name, download=_DOWNLOAD, **words)


def _steps(project: Project, repository: str, release: str, artifact: str) -> Sequence[str]:
    """Return the steps that set the project up, run the gates and keep their reports."""
    around = project.surroundings
    steps: list[str] = []
    if around.python:
        steps += [f"      - uses: {_PYTHON}", "        with:"]
        steps.append(f'          python-version: "{around.python.value}"    # from {_word(around.python.why)}')
    if around.install:
        steps.append(f"      - run: {around.install.value}    # what your code and tests need")
    else:
        steps.append("      # - run: pip install …    # what your code and tests need: no requirements were found here")
    steps += [f"      - run: {command}" for command in around.fetch]
    inside = around.directory != "."
    here = ["        with:", f"          working-directory: {around.directory}"] if inside else []
    steps += [f"      - uses: {repository}@{release}", *here]
    if project.registered:
        steps += ["        env:", "          MLFLOW_TRACKING_URI: ${{ vars.MLFLOW_TRACKING_URI }}"]
    steps += [f"      - uses: {repository}/actions/report@{release}", "        if: ${{ !cancelled() }}", *here]
    reports = f"{around.directory}/reports" if inside else "reports"
    kept = {artifact: f"{reports}/index.html"}
    # Main's numbers are looked for under these names.
    kept |= {f"{artifact}-{name}": f"{reports}/{name}.json" for name in (*configured(project), "pipeline")}
    for name, report in kept.items():
        steps += [f"      - uses: {_UPLOAD}", "        if: ${{ !cancelled() }}", "        with:"]
        steps += [f"          name: {name}", f"          path: {report}"]
    return steps


def _word(text: str) -> str:
    """Return a text if it is made of plain words, else nothing of it."""
    return text if re.fullmatch(r"[\w. -]+", text, re.ASCII) else "a workflow"
