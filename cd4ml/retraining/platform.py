"""The platform's memory: drift reports of earlier runs are artifacts, and a request is an issue.

Whatever cannot be read is an error: an alarm that is not heard must never look like silence.
"""

from __future__ import annotations

import http.client
import io
import json
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.retraining.decision import Request

PENDING: Final = "<!-- cd4ml-dispatch: pending -->"
SENT: Final = "<!-- cd4ml-dispatch: sent -->"
_SECONDS: Final = 10.0
_PAGES: Final = 10
_LARGEST: Final = 32_000_000
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One repository on GitHub.

    Attributes:
        api: address of the REST API.
        repository: owner/name.
    """

    api: str
    repository: str
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse to send the token over an open line."""
        address = urllib.parse.urlsplit(self.api)
        if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK):
            raise OptionsError(f"the API's address {self.api} is not https")

    def reports(self, artifact: str, branch: str, skip: str) -> Iterator[dict[str, Any] | None]:
        """Yield the drift reports of earlier runs on a branch, newest first; None for one that has expired.

        Args:
            skip: the run that is going on.
        """
        seen = {skip}
        for item in self._pages("actions/artifacts", "artifacts", name=artifact):
            run = item["workflow_run"] or {}
            # A run for a fork's pull request may leave an artifact of any name: it is no witness.
            own = run.get("head_branch") == branch and run.get("repository_id") == run.get("head_repository_id")
            if own and str(run["id"]) not in seen:
                seen.add(str(run["id"]))
                yield None if item["expired"] else self._report(int(item["id"]))

    def requests(self, label: str) -> list[tuple[Request, str]]:
        """Return all requests, newest first, and the text of each; an outsider's text is left out."""
        found = []
        for item in self._pages("issues", None, labels=label, state="all", sort="created", direction="desc"):
            if "pull_request" not in item:
                created = datetime.fromisoformat(item["created_at"].replace("Z", "+00:00"))
                request = Request(number=int(item["number"]), created=created, is_open=item["state"] == "open")
                found.append((request, (item.get("body") or "") if _is_own(item) else ""))
        return found

    def open_request(self, title: str, body: str, label: str) -> int:
        """Open an issue and return its number."""
        made = self._json("POST", "issues", {"title": title, "body": body, "labels": [label]})
        try:
            number, names = int(made["number"]), [item["name"] for item in made["labels"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnavailableError(f"The API at {self.api} does not answer as GitHub's does.") from error
        if label not in names:
            raise UnavailableError(
                f"Request #{number} did not get the label {label}: later runs would not find it.",
                advice="Make the label, and give the job `issues: write`.",
            )
        return number

    def dispatch(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send the event that starts a workflow."""
        self._json("POST", "dispatches", {"event_type": event, "client_payload": dict(payload)})

    def mark_sent(self, number: int, body: str) -> None:
        """Note in a request that its event was sent."""
        self._json("PATCH", f"issues/{number}", {"body": body.replace(PENDING, SENT)})

    def _pages(self, path: str, key: str | None, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page by page."""
        for page in range(1, _PAGES + 1):
            words = urllib.parse.urlencode({**query, "per_page": "100", "page": str(page)})
            found = self._json("GET", f"{path}?{words}")
            items = found[key] if key else found
            if not isinstance(items, list):
                raise UnavailableError(f"The API at {self.api} does not answer as GitHub's does.")
            yield from items
            if len(items) < 100:
                return
        raise UnavailableError(f"{path}: more than {100 * _PAGES} entries; not all can be read.")

    def _report(self, artifact: int) -> dict[str, Any]:
        """Return the drift report in an artifact."""
        data = self._send("GET", f"actions/artifacts/{artifact}/zip")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                (entry,) = [item for item in archive.infolist() if item.filename.endswith("detect-drift.json")]
                if entry.file_size > _LARGEST:
                    raise ValueError("too large")
                report = json.loads(archive.read(entry))
            if report["stage"] != "detect-drift":
                raise ValueError("of another stage")
        except (ValueError, KeyError, TypeError, zipfile.BadZipFile, NotImplementedError) as error:
            raise UnavailableError(f"Artifact {artifact} holds no drift report: {error}.") from error
        return dict(report)

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request and return the JSON of the answer."""
        data = self._send(method, path, body)
        try:
            return json.loads(data) if data else {}
        except ValueError as error:
            raise UnavailableError(f"The API at {self.api} answers with something that is no JSON.") from error

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Send a request and return the answer; it ends in time."""
        request = urllib.request.Request(
            f"{self.api}/repos/{self.repository}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Accept": "application/vnd.github+json", "Content-Type": "application/json"},
        )
        # Not for the storage that an artifact's address leads to.
        request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                data: bytes = answer.read(_LARGEST + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise UnavailableError(
                    f"{method} {path.partition('?')[0]}: the API answers {error.code}.",
                    advice="The job needs `actions: read`, `issues: write` and `contents: write`.",
                ) from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"The API at {self.api} cannot be reached: {error}.") from error
        if len(data) > _LARGEST:
            raise UnavailableError(f"{path.partition('?')[0]}: the answer is too large.")
        return data


def _is_own(issue: Mapping[str, Any]) -> bool:
    """Whether an app or somebody who may write to the repository opened an issue: its text says what is sent."""
    if (issue.get("user") or {}).get("type") == "Bot":
        return True
    return issue.get("author_association", "OWNER") in ("OWNER", "MEMBER", "COLLABORATOR")
