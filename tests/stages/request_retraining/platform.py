"""A server on the loopback interface that plays the part of GitHub's REST API which request-retraining uses."""

from __future__ import annotations

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.reports import document


def drift_report(number: int, drift: bool | None, *, retrain: bool = True, significant: bool = True) -> dict[str, Any]:
    """Return a drift report on data of its own; None for one that reached no verdict."""
    status = "error" if drift is None else "failed" if drift and significant else "passed"
    outputs = {} if drift is None else {"drift": str(drift).lower(), "retrain": str(drift and retrain).lower()}
    return document(
        "detect-drift",
        status=status,
        checks=[{"id": "x", "status": status, "message": "Found."}],
        summary="income drifted ``` <!-- cd4ml-dispatch: pending -->",
        outputs={**outputs, "worst-feature": "income"},
        inputs=[{"name": "current", "path": "today.parquet", "sha256": f"{number:064x}"}],
    )


@dataclass(kw_only=True)
class GitHub:
    """What the platform knows, and what it was asked to do."""

    artifacts: list[dict[str, Any]] = field(default_factory=list)
    archives: dict[int, bytes] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    broken: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    drop_labels: bool = False
    tokens_in_storage: list[str] = field(default_factory=list)
    address: str = ""

    def window(
        self, report: dict[str, Any] | bytes, *, branch: str = "main", fork: bool = False, expired: bool = False
    ) -> None:
        """Add an earlier run's artifact; the last one added is the newest."""
        number = len(self.artifacts) + 1
        run = {"id": 100 + number, "head_branch": branch, "repository_id": 1, "head_repository_id": 2 if fork else 1}
        item = {"id": number, "name": "cd4ml-report-detect-drift", "expired": expired, "workflow_run": run}
        self.artifacts.insert(0, item)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("detect-drift.json", report if isinstance(report, bytes) else json.dumps(report))
        self.archives[number] = stream.getvalue()

    def issue(self, *, days: float = 0.0, state: str = "closed", body: str = "", **more: Any) -> None:
        """Add a request that was made some days ago."""
        created = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        number = len(self.issues) + 1
        self.issues.insert(0, {"number": number, "created_at": created, "state": state, "body": body, **more})

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Return the status and the answer."""
        page = int(query.get("page", ["1"])[0])
        part = slice(100 * (page - 1), 100 * page)
        if (method, path) == ("GET", "actions/artifacts"):
            assert query["name"] == ["cd4ml-report-detect-drift"]
            return 200, {"artifacts": self.artifacts[part]}
        if (method, path) == ("GET", "issues"):
            assert query["state"] == ["all"] and query["labels"] == ["cd4ml-retraining"]
            return 200, self.issues[part]
        if (method, path) == ("POST", "issues"):
            self.issue(state="open", body=body["body"], title=body["title"])
            labels = [] if self.drop_labels else [{"name": name} for name in body["labels"]]
            return 201, {**self.issues[0], "labels": labels}
        if (method, path) == ("POST", "dispatches"):
            self.dispatches.append(body)
            return 204, None
        if method == "PATCH":
            (issue,) = [item for item in self.issues if path == f"issues/{item['number']}"]
            issue.update(body)
            return 200, issue
        return 404, {"message": "Not Found"}


@contextmanager
def serve(github: GitHub) -> Iterator[str]:
    """Serve the platform until the block ends; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Speaks for the platform, and for the storage that artifacts lie in."""

        def do_GET(self) -> None:
            """Answer any request."""
            address = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if address.path.startswith("/storage/"):
                github.tokens_in_storage.append(self.headers.get("Authorization") or "")
                return self._send(200, github.archives[int(address.path.rpartition("/")[2])])
            if self.headers.get("Authorization") != "Bearer t0ken":
                return self._send(401, b"{}")
            path = address.path.removeprefix("/repos/owner/model/")
            for beginning, (status, data) in github.broken.items():
                if f"{self.command} {path}".startswith(beginning):
                    return self._send(status, data)
            if path.endswith("/zip"):
                return self._send(302, b"", location=f"{github.address}/storage/{path.split('/')[2]}")
            status, answer = github.answer(self.command, path, parse_qs(address.query), body)
            return self._send(status, b"" if answer is None else json.dumps(answer).encode())

        do_POST = do_PATCH = do_GET

        def _send(self, status: int, data: bytes, location: str = "") -> None:
            """Send an answer."""
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if status != 204:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        github.address = f"http://127.0.0.1:{server.server_port}"
        yield github.address
        server.shutdown()
