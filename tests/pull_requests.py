"""A server on the loopback interface that plays GitHub's REST API for pull requests, their comments and their runs."""

from __future__ import annotations

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "owner/model"
ACTIONS = "github-actions[bot]"
HEAD, BASE = "a" * 40, "b" * 40


def pull(
    number: int, *, head: str = HEAD, source: str = REPOSITORY, branch: str = "change", state: str = "open"
) -> Any:
    """Return a pull request as the platform describes it."""
    return {
        "number": number,
        "state": state,
        "head": {"sha": head, "ref": branch, "repo": {"full_name": source}},
        "base": {"sha": BASE, "ref": "main", "repo": {"full_name": REPOSITORY}},
    }


@dataclass(kw_only=True)
class Platform:
    """What the platform knows, and what it was asked.

    Attributes:
        author: login that the token comments under.
        refused: beginning of a request -> status that it is answered with.
        silent: beginnings of requests that are never answered.
        before: called with each request before it is answered.
    """

    author: str = ACTIONS
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    archives: dict[int, bytes] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    before: Callable[[str], object] = lambda request: None
    calls: list[tuple[str, Any]] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def written(self) -> list[str]:
        """Requests that change something."""
        return [request for request, _ in self.calls if not request.startswith("GET ")]

    def comment(self, number: int, body: str, author: str | None = None) -> dict[str, Any]:
        """Post a comment."""
        made = {
            "id": 1 + sum(map(len, self.comments.values())) + 10 * len(self.calls),
            "user": {"login": author or self.author},
            "body": body,
            "html_url": f"https://github.com/{REPOSITORY}/pull/{number}",
        }
        self.comments.setdefault(number, []).append(made)
        return made

    def run(self, number: int, reports: Mapping[str, object], *, name: str = "cd4ml", **changes: Any) -> None:
        """Add a successful run on main, and the reports that it left."""
        item = {
            "id": number,
            "head_sha": BASE,
            "head_branch": "main",
            "event": "push",
            "html_url": f"https://github.com/{REPOSITORY}/actions/runs/{number}",
            "repository": {"id": 1},
            "head_repository": {"id": 1},
        }
        self.runs.insert(0, {**item, **changes})
        self.leave(number, reports, name=name)

    def leave(self, run: int, reports: Mapping[str, object], *, name: str = "cd4ml") -> None:
        """Add artifacts to a run."""
        for stage, report in reports.items():
            number = len(self.archives) + 1
            self.artifacts.setdefault(run, []).append(
                {"id": number, "name": f"{name}-report-{stage}", "expired": False}
            )
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w") as archive:
                archive.writestr(f"{stage}.json", report if isinstance(report, bytes) else json.dumps(report))
            self.archives[number] = stream.getvalue()

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> tuple[int, Any]:
        """Return the status and the answer."""
        parts = path.split("/")
        if method == "GET" and path.startswith("actions/workflows/"):
            assert query["branch"] == ["main"] and query["status"] == ["success"]
            return 200, {"workflow_runs": self.runs}
        if method == "GET" and path.startswith("actions/runs/"):
            return 200, {"artifacts": self.artifacts.get(int(parts[2]), [])}
        if method == "GET" and path == "pulls":
            owner, _, branch = query["head"][0].partition(":")
            found = [one for one in self.pulls if one["head"]["ref"] == branch and one["state"] == query["state"][0]]
            return 200, [one for one in found if one["head"]["repo"]["full_name"].startswith(f"{owner}/")]
        if method == "GET" and parts[0] == "pulls":
            return next(((200, one) for one in self.pulls if one["number"] == int(parts[1])), (404, {}))
        with self.lock:
            return self._comments(method, parts, body)

    def _comments(self, method: str, parts: list[str], body: Any) -> tuple[int, Any]:
        """Answer what is about comments."""
        if parts[0] == "issues" and parts[-1] == "comments":
            number = int(parts[1])
            if method == "POST":
                return 201, self.comment(number, body["body"])
            return 200, list(self.comments.get(number, []))
        if parts[:2] == ["issues", "comments"]:
            for comments in self.comments.values():
                for one in comments:
                    if one["id"] == int(parts[2]):
                        if method == "DELETE":
                            comments.remove(one)
                            return 204, None
                        one.update(body)
                        return 200, one
        return 404, {"message": "Not Found"}


@contextmanager
def serve(platform: Platform) -> Iterator[str]:
    """Serve the platform until the block ends; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Speaks for the platform, and for the storage that artifacts lie in."""

        def do_GET(self) -> None:
            """Answer any request."""
            address = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if address.path.startswith("/storage/"):
                return self._send(200, platform.archives[int(address.path.rpartition("/")[2])])
            path = address.path.removeprefix(f"/repos/{REPOSITORY}/")
            request = f"{self.command} {path}"
            platform.calls.append((request, body))
            platform.before(request)
            if self.headers.get("Authorization") != "Bearer t0ken":
                return self._send(401, b"{}")
            if request.startswith(platform.silent or ("-",)):
                platform.ended.wait(30)
                return None
            for beginning, status in platform.refused.items():
                if request.startswith(beginning):
                    return self._send(status, b"{}")
            if path.endswith("/zip"):
                return self._send(302, b"", location=f"{platform.address}/storage/{path.split('/')[2]}")
            status, answer = platform.answer(self.command, path, parse_qs(address.query), body)
            return self._send(status, b"" if answer is None else json.dumps(answer).encode())

        do_POST = do_PATCH = do_DELETE = do_GET

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
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        platform.address = f"http://127.0.0.1:{server.server_port}"
        yield platform.address
        platform.ended.set()
        server.shutdown()
