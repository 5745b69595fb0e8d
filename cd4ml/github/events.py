"""What the event that started a run says of a pull request. Nothing else may say which one it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cd4ml.errors import UnavailableError
from cd4ml.github.client import Client
from cd4ml.reading import text_file


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """An open pull request.

    Attributes:
        head: its newest commit, as the event knows it.
        base: the commit that it began at.
        branch: the branch that it goes to.
        fork: whether it comes from another repository: its own run's token may then only read.
    """

    number: int
    head: str
    base: str
    branch: str
    fork: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> PullRequest:
        """Return a pull request as the platform describes it."""
        head, base = found["head"], found["base"]
        # The repository of a fork may be gone.
        source = (head.get("repo") or {}).get("full_name")
        return cls(
            number=int(found["number"]),
            head=str(head["sha"]),
            base=str(base["sha"]),
            branch=str(base["ref"]),
            fork=source != base["repo"]["full_name"],
        )


@dataclass(frozen=True, kw_only=True)
class WorkflowRun:
    """A run that was started by a pull request and is over.

    Attributes:
        workflow: number of its workflow.
        conclusion: `success`, or how else it ended.
        source: repository and branch that its commit came from.
        numbers: of the pull requests that the event names; none for one from a fork.
    """

    id: int
    attempt: int
    workflow: int
    conclusion: str
    commit: str
    source: str
    branch: str
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> WorkflowRun:
        """Return a run as the platform describes it."""
        return cls(
            id=int(found["id"]),
            attempt=int(found["run_attempt"]),
            workflow=int(found["workflow_id"]),
            conclusion=str(found["conclusion"]),
            commit=str(found["head_sha"]),
            source=str((found["head_repository"] or {})["full_name"]),
            branch=str(found["head_branch"]),
            numbers=tuple(int(one["number"]) for one in found["pull_requests"]),
        )

    def pull_request(self, client: Client) -> PullRequest | None:
        """Return the one open pull request whose newest commit the run was about; None if there is none, or several.

        The event leaves out pull requests of forks. Those are found by the repository and the branch that the event
        names, never by anything that the run left behind.
        """
        if self.numbers:
            found = [client.json("GET", f"pulls/{number}") for number in self.numbers]
        else:
            owner = self.source.partition("/")[0]
            found = list(client.pages("pulls", state="open", head=f"{owner}:{self.branch}"))
        with client.understood():
            fitting = [PullRequest.of(one) for one in found if self._is_of(one, client)]
        return fitting[0] if len(fitting) == 1 else None

    def _is_of(self, found: Mapping[str, Any], client: Client) -> bool:
        """Whether a pull request is open in our repository and at the run's commit."""
        source = (found["head"].get("repo") or {}).get("full_name")
        here = found["base"]["repo"]["full_name"].casefold() == client.repository.casefold()
        return bool(found["state"] == "open" and found["head"]["sha"] == self.commit and source == self.source and here)


def event(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the payload of the event.

    Raises:
        UnavailableError: there is none that can be read.
    """
    path = environ.get("GITHUB_EVENT_PATH")
    try:
        found = json.loads(text_file(Path(path), most=50_000_000)) if path else None
    except (FileNotFoundError, ValueError, RecursionError) as error:
        raise UnavailableError("The event (GITHUB_EVENT_PATH) cannot be read.") from error
    return found if isinstance(found, dict) else {}


def pull_request(environ: Mapping[str, str]) -> PullRequest | None:
    """Return the pull request whose event started this run; None for other events.

    Raises:
        UnavailableError: the event is not described as the platform does.
    """
    if environ.get("GITHUB_EVENT_NAME") != "pull_request":
        return None
    try:
        return PullRequest.of(event(environ)["pull_request"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnavailableError(f"The event does not describe a pull request: {error!r}.") from error


def workflow_run(environ: Mapping[str, str]) -> WorkflowRun | None:
    """Return the pull request's run whose end started this one; None for other events, and for other runs.

    Raises:
        UnavailableError: the event is not described as the platform does.
    """
    if environ.get("GITHUB_EVENT_NAME") != "workflow_run":
        return None
    try:
        found = event(environ)["workflow_run"]
        return WorkflowRun.of(found) if found["event"] == "pull_request" else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnavailableError(f"The event does not describe a workflow's run: {error!r}.") from error
