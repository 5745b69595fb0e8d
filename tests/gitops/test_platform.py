"""Commits that the platform makes: bytes and history are those of a push; the token goes to its own host."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.gitops.address import environment, repository_address
from cd4ml.gitops.edit import Edit, apply
from cd4ml.gitops.platform import connected
from cd4ml.gitops.repository import clone, land
from cd4ml.gitops.route import Route
from tests.gitops.conftest import GitOps, git
from tests.gitops.hosted import Hosted, hosted
from tests.gitops.test_repository import blob

MANIFEST = "credit/values.yaml"
ODD = "# ä\r\nweight: 0\r\nlast: x"
SAID = "Set weight\n\nCd4ml-Image: ghcr.io/owner/credit@sha256:" + "b" * 64 + "\n"


@pytest.fixture
def there(gitops: GitOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    """Serve the repository on a platform."""
    with hosted(gitops, tmp_path, monkeypatch) as found:
        yield found


def committed(there: Hosted, change: Callable[[str], str], said: str = SAID) -> str | None:
    """Land a change that the platform commits."""
    route = Route(client=connected(there.url, os.environ, option="commit-with: api"), by_platform=True)
    with clone(there.url, "main", os.environ, route) as opened:
        return land(opened, MANIFEST, change, said, progress=lambda words: None, pause=lambda _: None)


def weight(text: str) -> str:
    """Set the weight."""
    return text.replace("weight: 0", "weight: 5")


def test_commit__is_what_git_would_have_made(there: Hosted) -> None:
    """The file's other bytes and files stay, the message keeps its trailers, and the ledger has it."""
    (there.gitops.work / "other.bin").write_bytes(b"\0\xff")
    there.gitops.commit("Odd", {})
    (there.gitops.work / MANIFEST).write_bytes(ODD.encode())
    git(there.gitops.work, "-c", "core.autocrlf=false", "commit", "--quiet", "--all", "--message", "CRLF")
    git(there.gitops.work, "push", "--quiet", "origin", "HEAD:main")

    commit = committed(there, weight)

    assert commit == there.gitops.head()
    assert git(there.gitops.bare, "diff", "--name-only", "main~1", "main").split() == [MANIFEST]
    assert blob(there.gitops, MANIFEST) == weight(ODD).encode()
    lines = git(there.gitops.bare, "log", "-1", "--format=%an%n%B", "main").strip().splitlines()
    assert lines[:2] == ["web-flow", "Set weight"] and lines[-1] == f"Cd4ml-Manifest: {MANIFEST}"
    assert f"Cd4ml-Commit: {commit}" in git(there.gitops.bare, "log", "-1", "--format=%B", "refs/cd4ml/ledger/main")
    assert committed(there, weight) is None


def test_head_moved__made_again_on_what_is_there_now(there: Hosted) -> None:
    """A commit that came between is seen by the change, which is made anew on it."""
    raced: list[str] = []

    def slow(text: str) -> str:
        if not raced:
            raced.append(there.gitops.commit("Faster", {MANIFEST: "replicas: 3\n" + text}))
        return weight(text)

    assert committed(there, slow) == there.gitops.head()
    assert there.gitops.read().startswith("replicas: 3\n") and "weight: 5" in there.gitops.read()
    assert there.platform.written == ["POST graphql", "POST graphql"]


def test_writers__none_is_lost(there: Hosted) -> None:
    """Six writers of neighbouring keys all land, each in a commit of its own."""
    keys = "".join(f"key-{n}:\n  weight: 0\n" for n in range(6))
    there.gitops.commit("Keys", {MANIFEST: keys})

    def write(number: int) -> str | None:
        edit = Edit(document=0, path=(f"key-{number}", "weight"), value=7)
        return committed(there, lambda text: apply(text, [edit]), f"Set {number}")

    with ThreadPoolExecutor(6) as pool:
        landed = list(pool.map(write, range(6)))

    assert len(set(landed)) == 6 and there.gitops.read() == keys.replace("weight: 0", "weight: 7")


def test_refused__asked_once(there: Hosted) -> None:
    """A branch's rule that refuses the commit ends the run; a platform that stumbles is asked again."""
    rule = b'{"data": null, "errors": [{"type": "FORBIDDEN", "message": "Repository rule violations found"}]}'
    there.platform.refused = {"POST graphql": (200, rule)}
    with pytest.raises(UnavailableError, match="Repository rule violations found"):
        committed(there, weight)
    assert there.platform.written == ["POST graphql"]

    there.platform.refused = {"POST graphql": 502}

    def recover(_: str) -> None:
        if len(there.platform.written) > 2:
            there.platform.refused = {}

    there.platform.before = recover
    assert committed(there, weight) == there.gitops.head()


def test_executable__refused(there: Hosted) -> None:
    """The API knows plain files only: a file that would lose its mode is refused before anything is asked."""
    (there.gitops.work / MANIFEST).chmod(0o755)
    there.gitops.commit("Mode", {})

    with pytest.raises(OptionsError, match="executable"):
        committed(there, weight)
    assert there.platform.written == []


def test_answer_lost__the_commit_is_found(there: Hosted) -> None:
    """A platform that commits and then stumbles has committed: the run names that commit, and the ledger has it."""

    def stumble(request: str) -> None:
        if request == "POST graphql":
            there.platform.answer("POST", "graphql", {}, there.platform.calls[-1][1])
            there.platform.refused = {"POST graphql": 502}

    there.platform.before = stumble
    commit = committed(there, weight)

    assert commit == there.gitops.head() and there.platform.written == ["POST graphql"]
    assert f"Cd4ml-Commit: {commit}" in git(there.gitops.bare, "log", "-1", "--format=%B", "refs/cd4ml/ledger/main")


@pytest.mark.parametrize(
    ("address", "server", "own", "api", "name"),
    [
        ("https://github.com/o/g.git", "", "", "https://api.github.com", "o/g"),
        ("https://x-access-token@github.com/o/g", "", "", "https://api.github.com", "o/g"),
        ("git@github.com:o/g.git", "", "", "https://api.github.com", "o/g"),
        ("ssh://git@ssh.github.com:443/o/g.git", "", "", "https://api.github.com", "o/g"),
        ("https://git.corp.example/o/g.git", "", "", "https://git.corp.example/api/v3", "o/g"),
        (
            "https://github.com/o/g.git",
            "https://ghe.example",
            "https://ghe.example/api/v3",
            "https://api.github.com",
            "o/g",
        ),
        (
            "https://ghe.example/o/g.git",
            "https://ghe.example",
            "https://api.ghe.example",
            "https://api.ghe.example",
            "o/g",
        ),
    ],
)
def test_api__of_the_repositorys_own_host(address: str, server: str, own: str, api: str, name: str) -> None:
    """The API is that of the repository's host: the job's own server is never sent another host's token."""
    environ = {"CD4ML_GIT_TOKEN": "t", "GITHUB_SERVER_URL": server, "GITHUB_API_URL": own}

    found = connected(address, environ, option="x")

    assert (found.api, found.repository) == (api, name)


@pytest.mark.parametrize(
    "address", ["/srv/gitops.git", "file:///srv/gitops.git", "https://host/a/b/c.git", "git@host:x"]
)
def test_address__of_no_platform(address: str) -> None:
    """Where there is no owner and name there is no API."""
    with pytest.raises(OptionsError, match="address of a repository on GitHub"):
        connected(address, {"CD4ML_GIT_TOKEN": "t"}, option="commit-with: api")


@pytest.mark.parametrize("address", ["https://[x/owner/name", "ssh://git@[x/owner/name"])
def test_address__of_no_parts(address: str) -> None:
    """A broken address is refused in one sentence, wherever it is read first."""
    for read in (repository_address, lambda one: environment(one, {}), lambda one: connected(one, {}, option="x")):
        with pytest.raises(OptionsError, match="is not an address"):
            read(address)


def test_jobs_token__for_its_own_server_alone() -> None:
    """A token beside a deploy key goes to the job's own server, and to no other host that an address names."""
    environ = {"CD4ML_GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": "https://github.com"}

    assert connected("ssh://git@ssh.github.com:443/o/g.git", environ, option="x").token == "t"
    with pytest.raises(OptionsError, match="needs a token"):
        connected("https://git.elsewhere.example/o/g.git", environ, option="x")
