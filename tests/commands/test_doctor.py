"""`cd4ml doctor` says what keeps stages from running here, in limited time, and never what a token is."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cd4ml.context import Context
from cd4ml.diagnosis.looking import Examination, Result, Subject, examined
from cd4ml.errors import UNAVAILABLE
from cd4ml.report import Status
from cd4ml.stages import PIPELINE
from tests.conftest import ROOT, Run, need_program
from tests.diagnosis.project import make_project, user_predictions

Cli = Callable[..., Run]
Looked = dict[str, list[dict[str, Any]]]
TOKEN = "ghp_c4n4ryc4n4ryc4n4ryc4n4ryc4n4ryc4n4ry"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a sound project that is committed and has a registry of nothing, on a machine without tokens."""
    make_project(tmp_path)
    (tmp_path / ".gitignore").write_text("bin/\nreports/\n")
    commit(tmp_path)
    for name in ("git", "sh"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "CD4ML_", "GITHUB_")) or name in ("GH_TOKEN", "CI", "VIRTUAL_ENV"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return tmp_path


def commit(folder: Path) -> None:
    """Commit everything."""
    name = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    for arguments in (("add", "."), (*name, "commit", "--quiet", "--message", "Change")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)


@pytest.fixture
def doctor(cd4ml: Cli, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Looked]]:
    """Return what runs `cd4ml doctor --json` and gives the exit code and what was found by topic."""

    def run(*arguments: str) -> tuple[int, Looked]:
        ended = cd4ml("doctor", "--json", *arguments, capsys=capsys)
        document = json.loads(ended.stdout)
        assert document["exit_code"] == ended.code and TOKEN not in ended.stdout + ended.stderr
        found: Looked = {}
        for one in document["looked"]:
            found.setdefault(one["topic"], []).append(one)
        return ended.code, found

    return run


def messages(found: Looked, topic: str) -> str:
    """Return all that is said of a topic."""
    return " ".join(f"{one['message']} {one['advice']}" for one in found[topic])


def test_sound_project__exit_code_0(project: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is wrong every configured stage has a line that says so."""
    run = cd4ml("doctor", capsys=capsys)

    assert run.code == 0, run.stdout
    lines = run.stdout.splitlines()
    assert lines[0].startswith("✔ configuration") and lines[-1] == "Nothing keeps the stages from running here."
    for stage in ("check-code", "validate-data", "score-model", "evaluate-model", "build-image", "deploy-model"):
        assert any(line.startswith(f"✔ {stage}") for line in lines), run.stdout
    assert not [line for line in lines if line.startswith("✘")]


def test_mistakes__worst_exit_code_and_what_to_do(
    project: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `run` would say first has a line each, below it what to do; the exit code is that of the worst."""
    text = (project / "cd4ml.yaml").read_text()
    (project / "cd4ml.yaml").write_text(text.replace("data/train.csv", "data/trian.csv"))
    assert cd4ml("doctor", capsys=capsys).code == 3

    (project / "cd4ml.yaml").write_text(
        text.replace("data/train.csv", "data/trian.csv").replace("ghcr.io/owner/credit", "Credit")
    )
    run = cd4ml("doctor", capsys=capsys)

    assert run.code == 2 and "2 problems to fix" in run.stdout
    assert "✘ validate-data   data/trian.csv: no such file (did you mean `train.csv`?)." in run.stdout
    assert "→ Write it as host/path/name:tag" in run.stdout


def test_programs_of_the_repository__not_started(
    project: Path, doctor: Callable[..., tuple[int, Looked]], tmp_path: Path
) -> None:
    """What a change brings along is not run: by name, behind a link, or as files in an environment that git ignores."""
    ran, tools = tmp_path / "ran", project / "tools"
    tools.mkdir()
    for program in (tools / "evil", project / "bin" / "mine"):
        program.write_text(f"#!/bin/sh\necho >{ran}\nexit 1\n")
        program.chmod(0o755)
    (project / "bin" / "link").symlink_to("../tools/evil")
    (project / ".env").mkdir()
    (project / ".env" / "bin").symlink_to("../tools")
    (project / ".gitignore").write_text("bin/\nreports/\n.env/\n.venv/\nran\n")
    venv = project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    (venv / "pyvenv.cfg").write_text("home = /\n")
    (venv / "evil.pth").write_text("import os\n")
    configured = (project / "cd4ml.yaml").read_text()
    commit(project)
    for python in ("./tools/evil", "bin/link", ".env/bin/evil", str(tools / "evil")):
        image = f"image: ghcr.io/owner/credit\n  trivy: {python}"
        text = configured.replace("image: ghcr.io/owner/credit", image)
        (project / "cd4ml.yaml").write_text(text.replace("check-code:\n", f"check-code:\n  python: {python}\n"))
        found = doctor()[1]
        assert "not started: it lies in the repository" in messages(found, "code tools"), (python, found)
        assert "not started: it lies in the repository" in messages(found, "trivy") and not ran.exists()

    (project / "cd4ml.yaml").write_text("check-code: {tools: ruff, python: .venv/bin/python}\n")
    assert "not started" not in messages(doctor()[1], "code tools")
    subprocess.run(["git", "add", "--force", ".venv/evil.pth"], cwd=project, check=True)
    assert "not started" in messages(doctor()[1], "code tools")
    (project / "cd4ml.yaml").write_text("check-code: {tools: ruff, python: bin/mine}\n")
    doctor()
    assert ran.exists()


def test_json__holds_no_command(tmp_path: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """What a configuration says cannot speak to the runner through the JSON."""
    (tmp_path / "cd4ml.yaml").write_text("'##[add-mask]x::warning::y': {a: 1}\n")

    said = cd4ml("doctor", "--json", capsys=capsys).stdout

    assert "##[" not in said and "::" not in said
    assert "add-mask" in said and json.loads(said)["exit_code"] == 2


def test_without_configuration__the_machine(
    tmp_path: Path, doctor: Callable[..., tuple[int, Looked]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without cd4ml.yaml the machine is looked at, and nothing that it lacks is a problem."""
    monkeypatch.setenv("PATH", str(Path(str(shutil.which("git"))).parent))

    code, found = doctor()

    assert code == 0 and found["configuration"][0]["status"] == "skipped"
    assert {"python", "disk", "reports", "git", "token", "engine", "trivy"} <= set(found)
    assert "no commit here" in messages(found, "git")


def test_configuration_that_cannot_be_read__exit_code_2(
    tmp_path: Path, doctor: Callable[..., tuple[int, Looked]]
) -> None:
    """Each problem of cd4ml.yaml is said; the machine is looked at all the same."""
    (tmp_path / "cd4ml.yaml").write_text("validate-data: {dat: x, shema: y}\n")

    code, found = doctor()

    assert code == 2 and len(found["configuration"]) == 2 and found["python"]


def test_registry_down__exit_code_3(project: Path, doctor: Callable[..., tuple[int, Looked]]) -> None:
    """A registry that takes no connection is a problem of the stage that needs it."""
    text = (project / "cd4ml.yaml").read_text()
    (project / "cd4ml.yaml").write_text(
        text.replace("candidate: models/candidate", "candidate: models:/c@new\n  tracking-uri: http://127.0.0.1:9")
    )

    code, found = doctor()

    assert code == 3 and "http://127.0.0.1:9 cannot be used" in messages(found, "score-model")


def test_git__what_a_clone_lacks(
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    doctor: Callable[..., tuple[int, Looked]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shallow clone, changed files, a commit that was not pushed and another owner are said, each with what to do."""
    assert "as committed" in messages(doctor()[1], "git")
    (project / "src" / "train.py").write_text("SEED = 2\n")
    commit(project)
    clone = tmp_path_factory.mktemp("clone")
    subprocess.run(["git", "clone", "--quiet", "--depth=1", project.as_uri(), str(clone)], check=True)
    (clone / "src" / "train.py").write_text("SEED = 3\n")
    commit(clone)
    (clone / "src" / "train.py").write_text("SEED = 4\n")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    code, found = doctor("--working-directory", str(clone))

    assert all(one["status"] == "inconclusive" for one in found["git"])
    said = messages(found, "git")
    for part in ("git fetch --unshallow", "src/train.py differ", "on this machine alone", "safe.directory", "Push it"):
        assert part in said, said


def test_trivy_offline_without_database__exit_code_3(project: Path, doctor: Callable[..., tuple[int, Looked]]) -> None:
    """Where the scan may fetch nothing, a database that is not there is a problem; elsewhere it is fetched."""
    (project / "bin" / "trivy").unlink()
    text = (project / "cd4ml.yaml").read_text()
    image = f"image: ghcr.io/owner/credit\n  trivy: {need_program('trivy')}\n  trivy-cache: cache"
    (project / "cd4ml.yaml").write_text(text.replace("image: ghcr.io/owner/credit", image))
    assert "will be fetched" in messages(doctor()[1], "trivy")

    offline = (
        (project / "cd4ml.yaml").read_text().replace("trivy-cache: cache", "trivy-cache: cache\n  scan-offline: true")
    )
    (project / "cd4ml.yaml").write_text(offline)
    code, found = doctor()

    assert code == 3 and "trivy image --download-db-only" in messages(found, "trivy")


def test_reports__a_file_in_the_way(project: Path, doctor: Callable[..., tuple[int, Looked]]) -> None:
    """A place where no report can be written is a problem."""
    (project / "reports").write_text("")

    code, found = doctor()

    assert code == 3 and found["reports"][0]["status"] == "failed"


@contextmanager
def platform(status: int, permissions: dict[str, bool], scopes: str | None) -> Iterator[str]:
    """Run a platform that says what a token may do."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """One answer about one repository."""

        def do_GET(self) -> None:
            """Answer."""
            known = self.path == "/repos/owner/credit" and self.headers["Authorization"] == f"Bearer {TOKEN}"
            body = json.dumps({"permissions": permissions}).encode()
            self.send_response(status if known else 404)
            self.send_header("Content-Length", str(len(body)))
            if scopes is not None:
                self.send_header("X-OAuth-Scopes", scopes)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "permissions", "scopes", "said"),
    [
        (200, {"pull": True, "push": True}, "repo, workflow", "may write to owner/credit; scopes: repo, workflow"),
        (200, {"pull": True, "push": False}, None, "may read owner/credit"),
        (401, {}, None, "GITHUB_TOKEN: the platform does not know it"),
        (403, {}, None, "may not read owner/credit (403)"),
    ],
)
def test_token__what_it_may_do(
    project: Path,
    doctor: Callable[..., tuple[int, Looked]],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    permissions: dict[str, bool],
    scopes: str | None,
    said: str,
) -> None:
    """Of a token it is said what the platform lets it do, and the token itself is nowhere."""
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/credit")
    with platform(status, permissions, scopes) as address:
        monkeypatch.setenv("GITHUB_API_URL", address)
        _, found = doctor()

    assert said in messages(found, "token")


def test_predictions_of_ones_own__looked_at(project: Path, doctor: Callable[..., tuple[int, Looked]]) -> None:
    """A project that brings its predictions is looked at by their header."""
    user_predictions(project)
    assert "options and files" in messages(doctor()[1], "audit-fairness")

    (project / "predictions.csv").write_text("y_true,y_pred,production_y_pred,race\n0,0,0,a\n")
    code, found = doctor()

    assert code == 2 and "no column `sex`" in messages(found, "audit-fairness")


def test_what_does_not_answer__is_not_waited_for(tmp_path: Path) -> None:
    """Something that takes too long is a problem, and keeps the others from nothing."""

    def slow(subject: Subject) -> Iterator[Result]:
        """Take a minute."""
        yield Result(topic="slow", status=Status.PASSED, message="has begun")
        time.sleep(60)

    def quick(subject: Subject) -> Iterator[Result]:
        """Answer at once."""
        yield Result(topic="quick", status=Status.PASSED, message="is well")

    started = time.monotonic()
    looks = [Examination(topic="slow", look=slow, seconds=0.2), Examination(topic="quick", look=quick)]
    found = examined(looks, Subject(context=Context(directory=tmp_path), options={}))

    assert time.monotonic() - started < 10
    assert [(one.topic, one.message) for one in found] == [
        ("slow", "has begun"),
        ("slow", "did not answer in 0 s"),
        ("quick", "is well"),
    ]
    assert found[1].code is UNAVAILABLE


def test_page__its_example_runs(project: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """What docs/doctor.md shows can be pasted, and each line that doctor prints is explained there."""
    page = (ROOT / "docs" / "doctor.md").read_text()
    (command,) = re.findall(r"```bash\n(.+?)\n```", page, re.S)
    program, *arguments = command.split()

    run = cd4ml(*arguments, capsys=capsys)

    topics = {re.split(r"\s{2,}", line[2:])[0] for line in run.stdout.splitlines()[:-1] if line[0] in "✔✘?–"}
    assert (program, run.code) == ("cd4ml", 0)
    assert all(re.search(rf"^\|.*\b{topic}\b.*\|", page, re.M) for topic in topics - set(PIPELINE))
