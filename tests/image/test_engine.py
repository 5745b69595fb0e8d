"""Which engine is taken, and what is said to it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cd4ml.checks.image.build import of_base
from cd4ml.errors import Interrupted, UnavailableError
from cd4ml.image import base
from cd4ml.image.builders import BUILDERS
from cd4ml.image.builders.buildah import Buildah
from cd4ml.image.builders.builder import Build
from cd4ml.image.builders.docker import Docker
from cd4ml.image.builders.failure import BuildFailed, failing_step
from cd4ml.image.builders.podman import Podman
from cd4ml.image.engine import detect
from cd4ml.image.labels import own_labels
from cd4ml.image.reference import parse
from cd4ml.process.signals import interruptible
from cd4ml.stages.build_image.base import BaseImage

CLASSES: dict[str, type[Docker] | type[Buildah]] = {"docker": Docker, "podman": Podman, "buildah": Buildah}
CONTENTS = base.Contents(python="3.11", installers=[], folders={})
DIGEST = "sha256:" + "a" * 64
IMAGE = [{"Id": "b" * 64, "Config": {"User": "65532:65532", "Labels": {"k": "v"}}, "RepoDigests": [f"a.io/x@{DIGEST}"]}]


def program(folder: Path, name: str, **answers: tuple[int, str]) -> Path:
    """Write an engine's program that notes its arguments and answers by its first argument."""
    cases = "".join(
        f"  {word}) cat <<'ANSWER'\n{text}\nANSWER\n  exit {code};;\n" for word, (code, text) in answers.items()
    )
    path = folder / name
    path.write_text(
        f'#!/bin/sh\nfor item in "$@"; do echo "$item" >> "{folder}/calls"; done; echo >> "{folder}/calls"\n'
        'previous=\nfor item in "$@"; do [ "$previous" = --digestfile ] && '
        f'printf %s {DIGEST} > "$item"; previous="$item"; done\n'
        f'case "$1" in\n{cases}esac\nexit 0\n'
    )
    path.chmod(0o755)
    return path


def calls(folder: Path) -> list[list[str]]:
    """Return the argument lists that the program was given."""
    return [call.split("\n") for call in (folder / "calls").read_text().strip("\n").split("\n\n")]


def environ(*folders: Path) -> dict[str, str]:
    """Return an environment in which only these folders are searched."""
    return {"PATH": os.pathsep.join(map(str, folders))}


def build(folder: Path, name: str, **answers: tuple[int, str]) -> Any:
    """Return an engine that stands on a recording program."""
    return CLASSES[name](program=str(program(folder, name, **answers)), environ={"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(("present", "taken"), [("podman", "podman"), ("buildah", "buildah"), ("docker", "docker")])
def test_auto_takes_the_first_that_answers(tmp_path: Path, present: str, taken: str) -> None:
    """A docker that does not answer is passed over; one that does comes first."""
    if present != "docker":
        program(tmp_path, "docker", info=(1, "Cannot connect"))
    program(tmp_path, present)
    assert detect("auto", environ(tmp_path)).name == taken


@pytest.mark.parametrize("name", BUILDERS)
def test_every_builder_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    """Each builder that the option offers stands on the program of that name, and says so."""
    program(tmp_path, name)
    assert detect(name, environ(tmp_path)).name == name


def test_no_engine_is_unavailable_and_says_why(tmp_path: Path) -> None:
    """Without an engine the message names each that was looked for."""
    program(tmp_path, "docker", info=(1, "Cannot connect to the daemon"))
    with pytest.raises(UnavailableError, match="docker: does not answer.*podman: not on PATH.*buildah: not on PATH"):
        detect("auto", environ(tmp_path))


def test_a_named_engine_is_not_replaced(tmp_path: Path) -> None:
    """Who asks for podman does not get docker."""
    program(tmp_path, "docker")
    with pytest.raises(UnavailableError, match="podman: not on PATH"):
        detect("podman", environ(tmp_path))


def test_a_docker_without_buildkit_is_passed_over_for_one_with_it(tmp_path: Path) -> None:
    """A newer client without buildx early on PATH does not hide the system's own."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    program(first, "docker", buildx=(1, ""), version=(0, "28.2.2"))
    program(second, "docker", buildx=(1, ""), version=(0, "20.10.24+dfsg1"))
    found: Any = detect("docker", {"PATH": f"{first}:{second}:/usr/bin:/bin"})
    assert found.program == str(second / "docker")
    with pytest.raises(UnavailableError, match="no BuildKit"):
        detect("docker", environ(first))


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
    with pytest.raises(UnavailableError, match="named no digest"):
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


def looked_up(folder: Path, reference: str, **answers: tuple[int, str]) -> tuple[base.Base, list[str]]:
    """Resolve a base with an engine that answers so, and return it with the commands that were given."""
    found = base.resolve(build(folder, "docker", **answers), parse(reference, "base-image"), lambda _: None)
    return found, [call[0] for call in calls(folder)]


def test_a_tag_of_a_base_is_looked_up_though_a_copy_is_here(tmp_path: Path) -> None:
    """A tag is pulled even where the machine has an image of that name, which may be an old one."""
    found, given = looked_up(tmp_path, "a.io/x:1", image=(0, json.dumps(IMAGE)))
    assert given[0] == "pull" and found.unreachable is None and found.digest == DIGEST
    source = BaseImage(resolved=found, contents=CONTENTS).part.details["base"]["source"]
    assert source == "registry" and str(found.reference) == f"a.io/x:1@{DIGEST}"


def test_a_base_that_cannot_be_looked_up_is_named_as_a_copy(tmp_path: Path) -> None:
    """Where the registry does not answer, the report says that a local copy was used, and of which digest."""
    found, _ = looked_up(tmp_path, "a.io/x:1", pull=(1, "no route to host"), image=(0, json.dumps(IMAGE)))
    message, source = (
        of_base(found).message,
        BaseImage(resolved=found, contents=CONTENTS).part.details["base"]["source"],
    )
    assert source == "local copy" and DIGEST in message
    assert "no route to host" in message and "newer" in message


def test_a_base_that_is_nowhere_is_unavailable(tmp_path: Path) -> None:
    """Without a registry and without a copy nothing is built."""
    docker = tmp_path / "docker"
    docker.write_text(
        '#!/bin/sh\n[ "$1" = image ] && echo "No such image" >&2 || echo "no route to host" >&2\nexit 1\n'
    )
    docker.chmod(0o755)
    engine = Docker(program=str(docker), environ={"PATH": "/usr/bin:/bin"})
    with pytest.raises(UnavailableError, match="no route to host"):
        base.resolve(engine, parse("a.io/x:1", "base-image"), lambda _: None)


def test_a_digest_of_a_base_is_not_looked_up(tmp_path: Path) -> None:
    """A digest means the same bytes everywhere, so a copy of it is as good as the registry's."""
    found, given = looked_up(tmp_path, f"a.io/x@{DIGEST}", image=(0, json.dumps(IMAGE)))
    assert given == ["image"] and found.unreachable is None


def test_labels_of_the_base_do_not_describe_the_image() -> None:
    """Titles and versions of the base are emptied, the image's own stand, and labels with other uses stay."""
    inherited = {
        "org.opencontainers.image.title": "Python",
        "org.opencontainers.image.revision": "abc",
        "org.label-schema.version": "9",
        "maintainer": "them",
        "io.cd4ml.model.version": "7",
        "com.example.cost-centre": "42",
    }
    own = {"org.opencontainers.image.title": "loans"}
    assert own_labels(own, inherited) == {
        "org.opencontainers.image.title": "loans",
        "org.opencontainers.image.revision": "",
        "org.label-schema.version": "",
        "maintainer": "",
        "io.cd4ml.model.version": "",
    }


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
