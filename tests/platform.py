"""A server on the loopback interface that plays GitHub's REST API, as far as cd4ml uses it, and records every call."""

from __future__ import annotations

import base64
import http.server
import io
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
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
        "title": "",
        "body": "",
        "merged_at": None,
        "html_url": f"https://github.com/{REPOSITORY}/pull/{number}",
        "head": {"sha": head, "ref": branch, "repo": {"full_name": source}},
        "base": {"sha": BASE, "ref": "main", "repo": {"full_name": REPOSITORY}},
    }


@dataclass(kw_only=True)
class Platform:
    """What the platform knows, and what it was asked.

    Attributes:
        author: login that the token comments under.
        artifacts: of each run.
        folders: run -> folder that the artifacts of a run in progress are kept in.
        windows: artifacts of earlier runs by their name, newest first, as a list of the whole repository.
        refused: beginning of a request -> what it is answered with: a status, or a status and a body.
        silent: beginnings of requests that are never answered.
        before: called with each request before it is answered.
        git: a bare repository that holds the repository's branches, if the API is to move them.
        settings: of the repository.
        drop_labels: whether issues are opened without the labels that were asked for.
        tokens_in_storage: what the storage that artifacts lie in was sent as a token.
    """

    author: str = ACTIONS
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    folders: dict[int, Path] = field(default_factory=dict)
    archives: dict[int, bytes] = field(default_factory=dict)
    windows: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, int | tuple[int, bytes]] = field(default_factory=dict)
    git: Path | None = None
    settings: dict[str, Any] = field(default_factory=lambda: {"squash_merge_commit_message": "COMMIT_MESSAGES"})
    drop_labels: bool = False
    tokens_in_storage: list[str] = field(default_factory=list)
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
            number = self._archive(f"{stage}.json", report)
            self.artifacts.setdefault(run, []).append(
                {"id": number, "name": f"{name}-report-{stage}", "expired": False}
            )

    def window(self, report: object, *, branch: str = "main", fork: bool = False, expired: bool = False) -> None:
        """Add the drift report of an earlier run; the last one added is the newest."""
        number = self._archive("detect-drift.json", report)
        run = {"id": 100 + number, "head_branch": branch, "repository_id": 1, "head_repository_id": 2 if fork else 1}
        item = {"id": number, "name": "cd4ml-report-detect-drift", "expired": expired, "workflow_run": run}
        self.windows.insert(0, item)

    def issue(self, *, days: float = 0.0, state: str = "closed", body: str = "", **more: Any) -> None:
        """Add an issue that was opened some days ago."""
        created = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        number = len(self.issues) + 1
        self.issues.insert(0, {"number": number, "created_at": created, "state": state, "body": body, **more})

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> tuple[int, Any]:
        """Return the status and the answer."""
        parts = path.split("/")
        page = int(query.get("page", ["1"])[0])
        part = slice(100 * (page - 1), 100 * page)
        if method == "GET" and path.startswith("actions/workflows/"):
            assert query["branch"] == ["main"] and query["status"] == ["success"]
            return 200, {"workflow_runs": self.runs}
        if method == "GET" and path.startswith("actions/runs/"):
            return 200, {"artifacts": self._left(int(parts[2]))}
        if method == "GET" and path == "actions/artifacts":
            return 200, {"artifacts": [one for one in self.windows if [one["name"]] == query["name"]][part]}
        if method == "GET" and path == "pulls":
            return 200, self._pulls(query)[part]
        if (method, path) == ("GET", ""):
            return 200, self.settings
        if path == "graphql" or path.startswith("git/refs") or (parts[0] == "pulls" and method != "GET"):
            with self.lock:
                return self._branches(method, path, body)
        if method == "GET" and parts[0] == "pulls":
            return next(((200, one) for one in self.pulls if one["number"] == int(parts[1])), (404, {}))
        if method == "GET" and path == "issues":
            assert query["state"] == ["all"] and query["labels"] == ["cd4ml-retraining"]
            return 200, self.issues[part]
        if (method, path) == ("POST", "dispatches"):
            self.dispatches.append(body)
            return 204, None
        with self.lock:
            return self._comments(method, parts, body) if "comments" in parts else self._issues(method, parts, body)

    def _pulls(self, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """Return the pull requests that a list asks for."""
        owner, _, branch = query.get("head", [""])[0].partition(":")
        state, base = query.get("state", ["open"])[0], query.get("base", [""])[0]
        return [
            one
            for one in self.pulls
            if state in ("all", one["state"])
            and (not branch or (one["head"]["ref"], one["head"]["repo"]["full_name"].split("/")[0]) == (branch, owner))
            and base in ("", one["base"]["ref"])
        ]

    def _branches(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer what changes pull requests and branches; the API's commits are real ones."""
        if (method, path) == ("POST", "pulls"):
            if any(one["state"] == "open" and one["head"]["ref"] == body["head"] for one in self.pulls):
                return 422, {"message": "A pull request already exists"}
            made = pull(1 + max((one["number"] for one in self.pulls), default=0), branch=body["head"])
            self.pulls.append({**made, "title": body["title"], "body": body["body"]})
            return 201, self.pulls[-1]
        if method == "PATCH" and path.startswith("pulls/"):
            (one,) = [one for one in self.pulls if one["number"] == int(path.split("/")[1])]
            one.update(body)
            return 200, one
        if path == "graphql":
            return 200, self._committed(body["variables"]["input"])
        ref = body["ref"] if method == "POST" else path.removeprefix("git/")
        known = self._git("rev-parse", "--verify", "--quiet", ref, check=False).strip()
        if bool(known) is (method == "POST"):
            return 422, {"message": "Reference already exists" if known else "Reference does not exist"}
        arguments = ["-d", ref] if method == "DELETE" else [ref, body["sha"]]
        self._git("update-ref", *arguments)
        return (204, None) if method == "DELETE" else (200, {"ref": ref})

    def _committed(self, wanted: Any) -> Any:
        """Carry out createCommitOnBranch."""
        ref = f"refs/heads/{wanted['branch']['branchName']}"
        assert wanted["branch"]["repositoryNameWithOwner"] == REPOSITORY
        tip, index = self._git("rev-parse", ref).strip(), {
            "GIT_INDEX_FILE": f"{self.git}/index-{threading.get_ident()}"
        }
        if tip != wanted["expectedHeadOid"]:
            words = f'Expected branch to point to "{wanted["expectedHeadOid"]}" but it did not. Pull and try again.'
            return {"data": {"createCommitOnBranch": None}, "errors": [{"type": "STALE_DATA", "message": words}]}
        self._git("read-tree", tip, env=index)
        for addition in wanted["fileChanges"]["additions"]:
            blob = self._git("hash-object", "-w", "--stdin", stdin=base64.b64decode(addition["contents"])).strip()
            self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{addition['path']}", env=index)
        tree, said = self._git("write-tree", env=index).strip(), wanted["message"]
        message = f"{said['headline']}\n\n{said['body']}\n".encode()
        commit = self._git("commit-tree", "-p", tip, tree, stdin=message).strip()
        self._git("update-ref", ref, commit, tip)
        return {"data": {"createCommitOnBranch": {"commit": {"oid": commit}}}}

    def _git(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, check: bool = True
    ) -> str:
        """Run git in the repository that the API stands before."""
        identity = {f"GIT_{who}_{what}": "web-flow" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        answer = subprocess.run(
            ["git", *arguments],
            cwd=self.git,
            input=stdin,
            env={**os.environ, **identity, **(env or {})},
            check=check,
            capture_output=True,
        )
        return answer.stdout.decode()

    def _left(self, run: int) -> list[dict[str, Any]]:
        """Return the artifacts of a run; those that lie in a folder are packed at the first time of asking."""
        known = self.artifacts.setdefault(run, [])
        for folder in sorted(self.folders[run].iterdir()) if run in self.folders else []:
            if folder.is_dir() and folder.name not in {item["name"] for item in known}:
                files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")}
                known.append({"id": self._packed(files), "name": folder.name, "expired": False})
        return known

    def _archive(self, name: str, content: object) -> int:
        """Keep an archive of one file, and return its number."""
        return self._packed({name: content if isinstance(content, bytes) else json.dumps(content)})

    def _packed(self, files: Mapping[str, str | bytes]) -> int:
        """Keep an archive, and return its number."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        number = len(self.archives) + 1
        self.archives[number] = stream.getvalue()
        return number

    def _issues(self, method: str, parts: list[str], body: Any) -> tuple[int, Any]:
        """Answer what is about issues."""
        if (method, parts) == ("POST", ["issues"]):
            labels = [] if self.drop_labels else [{"name": name} for name in body["labels"]]
            self.issue(state="open", body=body["body"], title=body["title"], labels=labels)
            return 201, self.issues[0]
        if method == "GET" and parts[0] == "issues":
            return next(((200, item) for item in self.issues if str(item["number"]) == parts[1]), (404, {}))
        if method == "PATCH" and parts[0] == "issues":
            (issue,) = [item for item in self.issues if item["number"] == int(parts[1])]
            issue.update(body)
            return 200, issue
        return 404, {"message": "Not Found"}

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
                platform.tokens_in_storage.append(self.headers.get("Authorization") or "")
                return self._send(200, platform.archives[int(address.path.rpartition("/")[2])])
            path = address.path.removeprefix(f"/repos/{REPOSITORY}").removeprefix("/")
            request = f"{self.command} {path}"
            platform.calls.append((request, body))
            platform.before(request)
            if self.headers.get("Authorization") != "Bearer t0ken":
                return self._send(401, b"{}")
            if request.startswith(platform.silent or ("-",)):
                platform.ended.wait(30)
                return None
            for beginning, said in platform.refused.items():
                if request.startswith(beginning):
                    return self._send(*(said if isinstance(said, tuple) else (said, b"{}")))
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
