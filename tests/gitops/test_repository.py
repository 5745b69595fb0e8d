"""The repository: bytes stay bytes, races are won, refusals are believed, and nothing hangs or leaks."""

from __future__ import annotations

import base64
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.gitops.process import git as bounded_git
from cd4ml.gitops.repository import clone, land
from tests.conftest import ROOT, clean_environment
from tests.gitops.conftest import GitOps, git
from tests.gitops.http import Server, serve

MANIFEST = "credit/values.yaml"


def quiet(_: str) -> None:
    """Report no progress."""


def set_weight(weight: int) -> Callable[[str], str]:
    """Return a change that is a no-op once it is made."""
    return lambda text: text.replace("weight: 0", f"weight: {weight}")


def change(repository: str, weight: int = 5, /, **extra: str) -> str | None:
    """Land one change of the manifest."""
    with clone(repository, "main", {**os.environ, **extra}) as opened:
        return land(opened, MANIFEST, set_weight(weight), "Set weight", progress=quiet, pause=lambda _: None)


def blob(gitops: GitOps, name: str) -> bytes:
    """Return a committed file's bytes."""
    command = ["git", "cat-file", "blob", f"main:{name}"]
    return subprocess.run(command, cwd=gitops.bare, check=True, capture_output=True).stdout


@pytest.mark.parametrize("attributes", ["* text=auto", "* text eol=lf", "*.yaml text eol=crlf", "* filter=missing"])
def test_attributes__cannot_touch_a_byte(gitops: GitOps, attributes: str) -> None:
    """Whatever the repository's attributes would do to line endings, only the target changes."""
    before = b"# mixed\r\nweight: 0\r\nlast: \xc3\xa4\nno newline"
    (gitops.work / MANIFEST).write_bytes(before)
    git(gitops.work, "-c", "core.autocrlf=false", "add", "--all")
    gitops.commit("CRLF", {})
    (gitops.work / ".gitattributes").write_text(attributes + "\n")
    git(gitops.work, "add", ".gitattributes")
    git(gitops.work, "commit", "--quiet", "--message", "Attributes")
    git(gitops.work, "push", "--quiet", "origin", "HEAD:main")
    assert blob(gitops, MANIFEST) == before

    assert change(str(gitops.bare))

    assert blob(gitops, MANIFEST) == before.replace(b"weight: 0", b"weight: 5")


def test_commit__changes_one_file_and_keeps_its_mode(gitops: GitOps) -> None:
    """The commit holds one changed file, with the mode that it had, and the other files as they were."""
    (gitops.work / MANIFEST).chmod(0o755)
    gitops.commit("Mode", {"other.yaml": "x: 1\n"})

    change(str(gitops.bare))

    raw = git(gitops.bare, "diff-tree", "-r", "--no-commit-id", "main").split()
    assert raw[:2] == [":100755", "100755"] and raw[-2:] == ["M", MANIFEST]


@pytest.mark.parametrize("name", ["folder", "link/values.yaml", "nul\0.yaml", "*", ":(top)credit/values.yaml"])
def test_read__regular_files_only(gitops: GitOps, name: str) -> None:
    """Folders, files behind a linked folder, patterns and pathspec magic are no manifests."""
    (gitops.work / "link").symlink_to("credit")
    gitops.commit("More", {"folder/x": "x"})

    with pytest.raises((OptionsError, ValueError)), clone(str(gitops.bare), "main", os.environ) as opened:
        opened.read(name)


@pytest.mark.parametrize(
    ("name", "problem", "advice"),
    [
        ("eu/values.yaml", "eu/values.yaml is a symbolic link to ../credit/values.yaml", "credit/values.yaml."),
        ("eu/deep/values.yaml", "eu/deep is a symbolic link to ../credit", "itself: credit/values.yaml."),
        ("eu/out.yaml", "eu/out.yaml is a symbolic link to ../../../etc/hostname", "outside the repository"),
        ("eu/root.yaml", "eu/root.yaml is a symbolic link to /etc/hostname", "outside the repository"),
        ("vendored/values.yaml", "vendored is a submodule", "submodule's own"),
        ("credit", "credit is a folder", "Name a file in it"),
        ("credit/values.yaml/x", "credit/values.yaml is a file, not a folder", ""),
        ("credit/value.yaml", "no such file", "Check manifest"),
    ],
)
def test_read__says_what_stands_in_the_way(gitops: GitOps, name: str, problem: str, advice: str) -> None:
    """Links, submodules and folders are refused by what they are, with the file to name instead."""
    (gitops.work / "eu").mkdir()
    for link, target in (
        ("values.yaml", "../credit/values.yaml"),
        ("deep", "../credit"),
        ("out.yaml", "../../../etc/hostname"),
        ("root.yaml", "/etc/hostname"),
    ):
        (gitops.work / "eu" / link).symlink_to(target)
    git(gitops.work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendored")
    git(gitops.work, "add", "eu")
    git(gitops.work, "commit", "--quiet", "--message", "Links")
    git(gitops.work, "push", "--quiet", "origin", "HEAD:main")

    with pytest.raises(OptionsError) as refused, clone(str(gitops.bare), "main", os.environ) as opened:
        opened.read(name)

    assert problem in refused.value.message and advice in refused.value.advice


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x: " + b"y" * 1_000_001])
def test_read__refuses_what_is_no_text_of_that_size(gitops: GitOps, content: bytes) -> None:
    """A file that is no UTF-8, or far too large, is refused."""
    (gitops.work / MANIFEST).write_bytes(content)
    gitops.commit("Odd", {})

    with pytest.raises(OptionsError), clone(str(gitops.bare), "main", os.environ) as opened:
        opened.read(MANIFEST)


def test_tag_of_that_name__is_no_branch(gitops: GitOps) -> None:
    """A tag does not stand in for a branch that is missing."""
    git(gitops.bare, "tag", "v1", "main")

    with pytest.raises(UnavailableError, match="couldn't find remote ref"), clone(str(gitops.bare), "v1", os.environ):
        pass


@pytest.mark.parametrize("words", ["fetch first the ticket", "[rejected] non-fast-forward", "timed out", "HTTP 502"])
def test_hook__is_believed_whatever_it_says(gitops: GitOps, tmp_path: Path, words: str) -> None:
    """A hook's refusal is final, even if its words read like a race or a network failure."""
    hook = gitops.bare / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\necho tried >> {tmp_path}/tries\necho '{words}' >&2\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(UnavailableError, match="rejected"):
        change(str(gitops.bare))

    assert (tmp_path / "tries").read_text() == "tried\n"


def test_lost_race__reapplied_on_what_is_there_now(gitops: GitOps) -> None:
    """If another writer is faster, its change stays and ours is made on top of it."""
    raced: list[str] = []

    def slow(text: str) -> str:
        if not raced:
            raced.append(gitops.commit("Faster", {MANIFEST: "replicas: 3\n" + text}))
        return set_weight(5)(text)

    with clone(str(gitops.bare), "main", os.environ) as opened:
        landed = land(opened, MANIFEST, slow, "Set weight", progress=quiet, pause=lambda _: None)

    assert landed == gitops.head()
    assert gitops.read().startswith("replicas: 3\n") and "weight: 5" in gitops.read()
    assert git(gitops.bare, "rev-parse", "main~1").strip() == raced[0]


def test_branch_deleted_meanwhile__no_success(gitops: GitOps) -> None:
    """A branch that somebody deletes while the change is made is nobody's target: its coming back is an error."""

    def slow(text: str) -> str:
        git(gitops.bare, "update-ref", "-d", "refs/heads/main")
        return set_weight(5)(text)

    with (
        pytest.raises(UnavailableError, match="deleted during this run"),
        clone(str(gitops.bare), "main", os.environ) as opened,
    ):
        land(opened, MANIFEST, slow, "Set weight", progress=quiet, pause=lambda _: None)


def test_writers_of_one_file__none_is_lost(gitops: GitOps) -> None:
    """Ten processes that set neighbouring keys of one file at once all land, each in its own commit."""
    keys = "".join(f"key-{n}:\n  weight: 0\n" for n in range(10))
    gitops.commit("Keys", {MANIFEST: keys})
    before = gitops.count()
    code = (
        "import os, sys\nfrom cd4ml.gitops.edit import Edit, apply\n"
        "from cd4ml.gitops.repository import clone, land\n"
        "repository, key = sys.argv[1:]\n"
        "edit = Edit(document=0, path=(key, 'weight'), value=7)\n"
        "with clone(repository, 'main', os.environ) as opened:\n"
        f"    land(opened, '{MANIFEST}', lambda text: apply(text, [edit]), key, progress=lambda words: None)\n"
    )

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(gitops.bare), f"key-{n}"], env=clean_environment(PYTHONPATH=str(ROOT))
        )
        for n in range(10)
    ]

    assert [process.wait(timeout=120) for process in processes] == [0] * 10
    assert gitops.read() == keys.replace("weight: 0", "weight: 7")
    assert gitops.count() == before + 10
    assert git(gitops.bare, "rev-list", "--merges", "--count", "main").strip() == "0"


def test_kill__repository_stays_whole_and_the_next_run_heals(gitops: GitOps) -> None:
    """Killed at any moment, a run leaves either no commit or the whole one, and the next run finishes the work."""
    code = (
        "import os, sys\nfrom tests.gitops.test_repository import change\nsys.path.insert(0, '.')\n"
        "change(sys.argv[1], int(sys.argv[2]))\n"
    )
    env = clean_environment(PYTHONPATH=str(ROOT))
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", code, str(gitops.bare), "1"], env=env, check=True)
    usual = time.monotonic() - start

    for number in range(12):
        gitops.commit("Again", {MANIFEST: f"# {number}\nweight: 0\n"})
        before = gitops.count()
        process = subprocess.Popen([sys.executable, "-c", code, str(gitops.bare), "5"], env=env)
        time.sleep(random.uniform(0.3, 1) * usual)
        process.kill()
        process.wait()
        git(gitops.bare, "fsck", "--strict")
        assert gitops.count() - before == gitops.read().count("weight: 5")

        change(str(gitops.bare))
        assert (gitops.count(), gitops.read()) == (before + 1, f"# {number}\nweight: 5\n")


@pytest.fixture
def server(gitops: GitOps) -> Iterator[Server]:
    """Serve the repository over HTTP, pushes allowed."""
    git(gitops.bare, "config", "http.receivepack", "true")
    with serve(gitops.bare.parent) as state:
        yield state


def times(number: int, status: int, where: str) -> Callable[[str], int | None]:
    """Return answers that fail so many times where the path matches."""
    left = [number]

    def answer(path: str) -> int | None:
        if where in path and left[0] > 0:
            left[0] -= 1
            return status
        return None

    return answer


@pytest.mark.parametrize("where", ["git-upload-pack", "git-receive-pack"])
def test_server_stumbles__asked_again(gitops: GitOps, server: Server, where: str) -> None:
    """A server that answers 502 for a while delays a fetch or a push, and does not fail it."""
    server.answer = times(2, 502, where)

    assert change(server.url) == gitops.head()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_server_refuses__asked_once(gitops: GitOps, server: Server, status: int) -> None:
    """A push that is not permitted is not repeated."""
    server.answer = times(99, status, "git-receive-pack")
    head = gitops.head()

    with pytest.raises(UnavailableError, match="rejected"):
        change(server.url)

    assert (server.pushes(), gitops.head()) == (1, head)


def test_answer_lost__the_push_is_not_made_twice(gitops: GitOps, server: Server) -> None:
    """If the server takes the push but its answer is lost, the landed commit is found and returned."""
    server.lose = times(1, 502, "/git-receive-pack")
    before = gitops.count()

    assert change(server.url) == gitops.head()
    assert gitops.count() == before + 1


def test_token__for_this_host_alone(gitops: GitOps, server: Server, tmp_path: Path) -> None:
    """The token logs in to the repository's host; another host that it redirects to gets none; nobody stores it."""
    (tmp_path / "config").write_text(f"[credential]\nhelper = store --file {tmp_path}/stored\n")
    ours = {"CD4ML_GIT_TOKEN": "CANARY", "GIT_CONFIG_GLOBAL": str(tmp_path / "config")}
    server.demands_login = True
    assert change(server.url, 5, **ours) == gitops.head()
    assert server.credentials == {"", "Basic " + base64.b64encode(b"x-access-token:CANARY").decode()}

    with serve(gitops.bare.parent) as elsewhere:
        elsewhere.demands_login = True
        server.redirect = f"http://localhost:{elsewhere.port}"
        with pytest.raises(UnavailableError), clone(server.url, "main", {**os.environ, **ours}):
            pass
        assert elsewhere.credentials == {""}
    assert not (tmp_path / "stored").exists()


@pytest.mark.parametrize(
    ("user", "login"),
    [("", "x-access-token"), ("x-token-auth@", "x-token-auth"), ("gitlab+deploy-token-7@", "gitlab+deploy-token-7")],
)
def test_user_in_the_address__logs_in(gitops: GitOps, server: Server, user: str, login: str) -> None:
    """The user that the address names is the one that the token belongs to; without one it is GitHub's."""
    server.demands_login = True

    assert change(server.url.replace("http://", f"http://{user}"), 5, CD4ML_GIT_TOKEN="CANARY") == gitops.head()
    assert "Basic " + base64.b64encode(f"{login}:CANARY".encode()).decode() in server.credentials


@pytest.mark.parametrize(
    ("variables", "author", "committer"),
    [
        ({}, "cd4ml <cd4ml@users.noreply.github.com>", "cd4ml <cd4ml@users.noreply.github.com>"),
        (
            {"GIT_AUTHOR_NAME": "Release Bot", "GIT_AUTHOR_EMAIL": "bot@corp.example"},
            "Release Bot <bot@corp.example>",
            "cd4ml <cd4ml@users.noreply.github.com>",
        ),
        (
            {"GIT_COMMITTER_NAME": "Signer", "GIT_COMMITTER_EMAIL": "signer@corp.example", "GIT_AUTHOR_NAME": " "},
            "cd4ml <cd4ml@users.noreply.github.com>",
            "Signer <signer@corp.example>",
        ),
    ],
)
def test_identity__from_the_environment(gitops: GitOps, variables: dict[str, str], author: str, committer: str) -> None:
    """Author and committer are whom the environment names, each by itself; what is unset or blank is the suite."""
    change(str(gitops.bare), 5, GIT_CONFIG_GLOBAL=os.devnull, **variables)

    assert git(gitops.bare, "log", "-1", "--format=%an <%ae>|%cn <%ce>", "main").strip() == f"{author}|{committer}"


@pytest.mark.parametrize("variable", ["GIT_SSH", "GIT_SSH_COMMAND"])
def test_login__by_the_machine_s_own_means(tmp_path: Path, variable: str) -> None:
    """Over ssh the program that the environment names logs in, with the user and the host of the address."""
    program = tmp_path / "own-ssh"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 1\n')
    program.chmod(0o755)

    with (
        pytest.raises(UnavailableError),
        clone(
            "deploy@git.example:owner/gitops.git",
            "main",
            {**os.environ, variable: str(program), "GIT_SSH_VARIANT": "ssh"},
        ),
    ):
        pass

    assert "deploy@git.example" in (tmp_path / "asked").read_text()


def test_identity__never_the_dates_or_places(gitops: GitOps, tmp_path: Path) -> None:
    """Other variables of git, such as dates or another repository, do not reach the commit."""
    change(str(gitops.bare), 5, GIT_COMMITTER_DATE="2001-01-01T00:00:00Z", GIT_DIR=str(tmp_path), GIT_NAMESPACE="x")

    assert int(git(gitops.bare, "log", "-1", "--format=%ct", "main")) > time.time() - 600
    assert not list(tmp_path.glob("objects"))


def test_hanging_server__ends_with_everything_it_started() -> None:
    """A server that accepts and says nothing is given up in time, and no helper of git stays behind."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        start = time.monotonic()

        with pytest.raises(UnavailableError, match="did not end within 1 seconds"):
            bounded_git(["ls-remote", "--", url], Path("."), {**os.environ, "GIT_TERMINAL_PROMPT": "0"}, seconds=1)

        assert time.monotonic() - start < 10
        listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert url not in listing


def test_hooks_and_monitors__never_run(
    gitops: GitOps, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks, a file-system monitor or templates of the machine's configuration start no program."""
    marker = tmp_path / "marker"
    template = tmp_path / "template"
    (template / "hooks").mkdir(parents=True)
    script = f"#!/bin/sh\ntouch {marker}\n"
    for name in ("pre-commit", "commit-msg", "post-commit", "pre-push", "post-checkout", "reference-transaction"):
        (template / "hooks" / name).write_text(script)
        (template / "hooks" / name).chmod(0o755)
    (tmp_path / "monitor").write_text(script)
    (tmp_path / "monitor").chmod(0o755)
    config = f"[init]\ntemplateDir = {template}\n[core]\nfsmonitor = {tmp_path}/monitor\nhooksPath = {template}/hooks\n"
    (tmp_path / "config").write_text(config)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))

    assert change(server.url)
    assert not marker.exists()
