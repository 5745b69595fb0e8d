"""What is said to a builder's program, and how its answers are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cd4ml.errors import Interrupted, UnavailableError
from cd4ml.image.builders.builder import Build
from cd4ml.image.builders.docker import Docker
from cd4ml.image.builders.failure import BuildFailed, failing_step
from cd4ml.image.reference import parse
from cd4ml.process.signals import interruptible
from tests.image.programs import DIGEST, IMAGE, build, calls


@pytest.mark.parametrize("name", ["docker", "podman", "buildah"])
def test_a_build_is_one_argument_list(tmp_path: Path, name: str) -> None:
    """Labels, network and certificates arrive as single arguments, whatever is in them."""
    engine = build(tmp_path, name)
    labels = {"io.cd4ml.model.name": "a b; $(id) --privileged"}
    source, image = parse("127.0.0.1:5000/base:1", "base"), parse("a.io/x:1", "image")
    engine.build(
        Build(context=tmp_path, image=image, base=source, labels=labels, network="host", extra_ca=tmp_path / "ca.crt")
    )
    (call,) = calls(tmp_path)
    assert call[0] == "build" and call[-1] == str(tmp_path)
    assert call[call.index("--label") + 1] == "io.cd4ml.model.name=a b; $(id) --privileged"
    assert call[call.index("--network") + 1] == "host" and call[call.index("--tag") + 1] == "a.io/x:1"
    assert call[call.index("--secret") + 1] == f"id=extra-ca,src={tmp_path}/ca.crt"
    assert ("--tls-verify=false" in call) == (name != "docker")


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_the_container_is_locked_in(tmp_path: Path, name: str) -> None:
    """The container has no network, no capability and a read-only root, and is removed by its own name."""
    engine = build(tmp_path, name)
    container = engine.start("a.io/x:1")
    engine.stop(container)
    started, removed = calls(tmp_path)
    for flag in ("--read-only", "--cap-drop", "--security-opt", "no-new-privileges", "none"):
        assert flag in started
    assert removed[-1] == container.id and removed[0] == "rm"


def test_a_container_that_does_not_start_is_removed(tmp_path: Path) -> None:
    """A failed start leaves nothing behind."""
    engine = build(tmp_path, "docker", run=(125, "port is taken"))
    with pytest.raises(UnavailableError, match="cannot be started"):
        engine.start("a.io/x:1")
    assert [call[0] for call in calls(tmp_path)] == ["run", "rm"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("ERROR: No matching distribution found for nothing==1", BuildFailed),
        ("failed to do request: dial tcp: lookup example.com: no such host", UnavailableError),
        ("NewConnectionError: Failed to establish a new connection", UnavailableError),
        ("error during connect: Post http://docker: EOF", UnavailableError),
        ("rpc error: code = Unavailable desc = transport is closing", UnavailableError),
        ("write /opt/venv/x: no space left on device", UnavailableError),
        ("ERROR: process did not complete successfully: exit code: 137", UnavailableError),
    ],
)
def test_a_failed_build_is_told_from_an_unreachable_one(tmp_path: Path, said: str, error: type[Exception]) -> None:
    """Requirements that cannot be met fail; a network that is down decides nothing."""
    engine = build(tmp_path, "docker", build=(1, said))
    name = parse("a.io/x:1", "image")
    with pytest.raises(error):
        engine.build(Build(context=tmp_path, image=name, base=name))


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_facts_of_an_image(tmp_path: Path, name: str) -> None:
    """Id, user, labels and the digest in the image's own registry are read."""
    found = build(tmp_path, name, image=(0, json.dumps(IMAGE))).image("a.io/x:1")
    assert found.id == "sha256:" + "b" * 64 and found.user == "65532:65532" and found.digest == DIGEST
    assert build(tmp_path, name, image=(0, json.dumps(IMAGE))).image("b.io/x:1").digest is None


def test_an_engine_that_fails_is_not_an_image_that_is_missing(tmp_path: Path) -> None:
    """A daemon that went away is unavailable, not an absent image."""
    with pytest.raises(UnavailableError):
        build(tmp_path, "docker", image=(1, "Cannot connect to the Docker daemon")).image("a")


@pytest.mark.parametrize("said", ["", "digest: sha256:short", f"digest: {DIGEST}\ndigest: sha256:{'c' * 64}"])
def test_a_push_without_one_digest_proves_nothing(tmp_path: Path, said: str) -> None:
    """A push that names no digest, or two, is unavailable."""
    with pytest.raises(UnavailableError, match="reported no digest"):
        build(tmp_path, "docker", push=(0, said)).push(parse("a.io/x:1", "image"))


@pytest.mark.parametrize("name", ["podman", "buildah"])
def test_digests_come_from_the_digest_file(tmp_path: Path, name: str) -> None:
    """podman and buildah write the digest to a file; plain HTTP is for this machine's registry only."""
    engine = build(tmp_path, name)
    assert engine.push(parse("a.io/x:1", "image")) == DIGEST
    assert "--tls-verify=false" not in calls(tmp_path)[0]
    assert engine.push(parse("127.0.0.1:5000/x:1", "image")) == DIGEST
    assert "--tls-verify=false" in calls(tmp_path)[1]


BUILDKIT = """#7 [builder 3/3] RUN python3 -m venv /opt/venv     && python3 -m pip install
#7 0.412 rm: cannot remove '/usr/bin/pip': Permission denied
#7 ERROR: process "/bin/sh -c python3 -m venv" did not complete successfully: exit code: 1
------
 > [builder 3/3] RUN python3 -m venv /opt/venv     && python3 -m pip install:
0.412 rm: cannot remove '/usr/bin/pip': Permission denied
------
Dockerfile:4
--------------------
   3 |     COPY requirements.txt /build/requirements.txt
   4 | >>> RUN python3 -m venv /opt/venv
--------------------
ERROR: failed to solve: process "/bin/sh -c python3 -m venv /opt/venv" did not complete successfully: exit code: 1
"""
OLD_BUILDKIT = """#8 [2/4] RUN echo
#8 1.0 another step
#8 DONE 1.1s
#9 1.23 E: Unable to locate package libnothing
#9 ERROR: executor failed running [/bin/sh -c apt-get update]: exit code: 100
------
 > [stage-1 2/5] RUN apt-get update && apt-get install:
------
executor failed running [/bin/sh -c apt-get update]: exit code: 100
"""
BUILDAH = """ERROR: Could not find a version that satisfies the requirement nothing==1
Error: building at STEP "RUN python3 -m pip install": while running runtime: exit status 1
"""


@pytest.mark.parametrize(
    ("log", "said", "advice"),
    [
        (BUILDKIT, "rm: cannot remove '/usr/bin/pip': Permission denied", "base-image"),
        (OLD_BUILDKIT, "E: Unable to locate package libnothing", "system-packages"),
        (BUILDAH, "ERROR: Could not find a version that satisfies the requirement nothing==1", "wheels"),
        ("something else", "something else", "the whole log"),
    ],
)
def test_a_failed_build_says_what_the_step_said(log: str, said: str, advice: str) -> None:
    """Of an engine's log the message is what the failing step said, and the advice is about that."""
    assert failing_step(log) == said
    assert advice in BuildFailed(failing_step(log)).advice


def test_a_start_that_is_cut_off_waits_for_the_container_to_remove_it(tmp_path: Path) -> None:
    """If a signal ends the client while the daemon makes the container, the container is removed once it is there."""
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/calls\n'
        '[ "$1" = run ] && kill -TERM $PPID && exec sleep 30\n'
        f'[ $(grep -c "^rm" {tmp_path}/calls) -gt 2 ] && echo "$3" || exit 1\n'
    )
    docker.chmod(0o755)
    engine = Docker(program=str(docker), environ={"PATH": "/usr/bin:/bin"})
    with pytest.raises(Interrupted), interruptible():
        engine.start("a.io/x:1")
    assert [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()] == ["run", "rm", "rm", "rm"]
