"""Runs of workflows and what they left: the reports of stages, as artifacts."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.github.client import Client
from cd4ml.report import Published
from cd4ml.report.reading import ReportError, parse

_MOST_RUNS: Final = 20
# Events whose runs judge what is on a branch already; a pull request from a fork's branch of the same name is none.
_OF_A_BRANCH: Final = ("push", "schedule", "workflow_dispatch", "merge_group")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A green run on a branch."""

    id: int
    commit: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Reports:
    """The reports that a run left.

    Attributes:
        unreadable: stages whose report is there and cannot be read, and why.
        pages: number of the artifact with the HTML report.
    """

    found: Mapping[str, Published] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)


def green_runs(client: Client, workflow: str | int, branch: str) -> Iterator[Run]:
    """Yield the successful runs of a workflow on a branch, newest first.

    Args:
        workflow: its number, or the name of its file.
    """
    query = urllib.parse.urlencode({"branch": branch, "status": "success", "per_page": _MOST_RUNS})
    answer = client.json("GET", f"actions/workflows/{urllib.parse.quote(str(workflow), safe='')}/runs?{query}")
    with client.understood():
        own = [item for item in answer["workflow_runs"] if _is_own(item, branch)]
        runs = [Run(id=int(item["id"]), commit=str(item["head_sha"]), address=str(item["html_url"])) for item in own]
    yield from runs


def artifacts(client: Client, run: int) -> dict[str, Mapping[str, Any]]:
    """Return the artifacts of a run by name; of two with one name, which two attempts leave, the newer one."""
    found: dict[str, Mapping[str, Any]] = {}
    for item in client.pages(f"actions/runs/{run}/artifacts", "artifacts"):
        with client.understood():
            name, number = str(item["name"]), int(item["id"])
            if name not in found or int(found[name]["id"]) < number:
                found[name] = item
    return found


def reports(client: Client, left: Mapping[str, Mapping[str, Any]], prefix: str, stages: Sequence[str]) -> Reports:
    """Return the reports of stages among a run's artifacts.

    Args:
        prefix: what the names of their artifacts begin with.
    """
    found: dict[str, Published] = {}
    unreadable: dict[str, str] = {}
    for stage in stages:
        item = left.get(f"{prefix}{stage}")
        if item is None:
            continue
        if item.get("expired"):
            unreadable[stage] = "Its artifact has expired."
            continue
        try:
            found[stage] = parse(client.artifact_file(int(item["id"]), f"{stage}.json"), stage)
        except (ReportError, UnavailableError) as error:
            unreadable[stage] = error.message
    return Reports(found=found, unreadable=unreadable)


def _is_own(item: Mapping[str, Any], branch: str) -> bool:
    """Whether a run was about this repository's own branch."""
    own = item["repository"]["id"] == (item["head_repository"] or {}).get("id")
    return bool(own and item["event"] in _OF_A_BRANCH and item["head_branch"] == branch)
