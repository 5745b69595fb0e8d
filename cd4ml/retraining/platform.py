"""The platform's memory: drift reports of earlier runs are artifacts, and a request is an issue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.github.client import Client, RefusedError, connect
from cd4ml.report.reading import ReportError, parse
from cd4ml.retraining.decision import Request
from cd4ml.retraining.plan import noted
from cd4ml.retraining.window import STAGE, Window, window

PENDING: Final = "<!-- cd4ml-dispatch: pending -->"
SENT: Final = "<!-- cd4ml-dispatch: sent -->"
_MISSING: Final = (404, 410)
_PERMISSIONS: Final = "`actions: read`, `issues: write` and `contents: write`"


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One repository on GitHub. Whatever of it cannot be read is an UnavailableError."""

    client: Client

    @classmethod
    def of(cls, environ: Mapping[str, str], repository: str | None, *, permissions: str = _PERMISSIONS) -> Platform:
        """Return the repository that is spoken to; by default that of the workflow.

        Args:
            permissions: what the token must be allowed, for messages.

        Raises:
            OptionsError: the environment does not say which, or has no token.
        """
        return cls(client=connect(environ, repository, permissions=permissions))

    def windows(self, artifact: str, branch: str, skip: str) -> Iterator[Window | None]:
        """Yield the windows of earlier runs on a branch, newest first; None for one whose report has expired.

        Args:
            artifact: name of the artifacts that hold drift reports.
            skip: the run that is going on.
        """
        seen = {skip}
        for item in self.client.pages("actions/artifacts", "artifacts", name=artifact):
            with self.client.understood():
                run, number, expired = item["workflow_run"] or {}, int(item["id"]), item["expired"]
                # A run for a fork's pull request may leave an artifact of any name: it is not a witness.
                own = run.get("head_branch") == branch and run.get("repository_id") == run.get("head_repository_id")
                name = str(run["id"]) if own else ""
            if own and name not in seen:
                seen.add(name)
                yield None if expired else self._window(number)

    def _window(self, artifact: int) -> Window:
        """Return the window whose drift report is in an artifact."""
        content = self.client.artifact_file(artifact, f"{STAGE}.json")
        try:
            return window(parse(content, STAGE, whole=False).report)
        except ReportError as error:
            raise UnavailableError(f"Artifact {artifact} holds no report of {STAGE}: {error.message}.") from error

    def requests(self, label: str) -> list[tuple[Request, str]]:
        """Return all requests, newest first, and the text of each; an outsider's text is left out."""
        found = []
        for item in self.client.pages("issues", labels=label, state="all", sort="created", direction="desc"):
            with self.client.understood():
                if "pull_request" not in item:
                    created = datetime.fromisoformat(item["created_at"].replace("Z", "+00:00"))
                    request = Request(number=int(item["number"]), created=created, is_open=item["state"] == "open")
                    found.append((request, (item.get("body") or "") if _is_own(item) else ""))
        return found

    def problem_of(self, number: int, label: str) -> str | None:
        """Return why an issue is no open request for a retraining, None if it is one."""
        try:
            item = self.client.json("GET", f"issues/{number}")
        except RefusedError as error:
            if error.status not in _MISSING:
                raise
            return "there is no such issue, or the token may not read it"
        with self.client.understood():
            if "pull_request" in item:
                return "it is a pull request"
            if label not in [one["name"] for one in item["labels"]]:
                return f"it lacks the label {label}"
            if not _is_own(item):
                return "it was opened by somebody who may not write to the repository"
            if item["state"] != "open":
                return "it is closed"
            return None if noted(item.get("body") or "") else "it asks people to look"

    def open_request(self, title: str, body: str, label: str) -> int:
        """Open an issue and return its number."""
        made = self.client.json("POST", "issues", {"title": title, "body": body, "labels": [label]})
        with self.client.understood():
            number, names = int(made["number"]), [item["name"] for item in made["labels"]]
        if label not in names:
            raise UnavailableError(
                f"Request #{number} did not get the label {label}: later runs would not find it.",
                advice="Create the label, and give the job `issues: write`.",
            )
        return number

    def dispatch(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send the event that starts a workflow."""
        self.client.json("POST", "dispatches", {"event_type": event, "client_payload": dict(payload)})

    def mark_sent(self, number: int, body: str) -> None:
        """Note in a request that its event was sent."""
        self.client.json("PATCH", f"issues/{number}", {"body": body.replace(PENDING, SENT)})


def _is_own(issue: Mapping[str, Any]) -> bool:
    """Whether an app or somebody who may write to the repository opened an issue: its text says what is sent."""
    if (issue.get("user") or {}).get("type") == "Bot":
        return True
    return issue.get("author_association", "OWNER") in ("OWNER", "MEMBER", "COLLABORATOR")
