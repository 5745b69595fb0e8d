"""Nothing but names that follow their grammar reaches a Dockerfile or an engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cd4ml.errors import OptionsError
from cd4ml.image import dockerfile
from cd4ml.image.reference import parse, repository_of, same_image
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "name", "tag", "loopback"),
    [
        ("python:3.11-slim", "python", "3.11-slim", False),
        ("ghcr.io/owner/model:candidate", "ghcr.io/owner/model", "candidate", False),
        ("127.0.0.1:5055/loans:v1", "127.0.0.1:5055/loans", "v1", True),
        ("localhost:5000/a/b", "localhost:5000/a/b", None, True),
        ("localhost.example.com/a", "localhost.example.com/a", None, False),
        ("127.0.0.1.example.com/a", "127.0.0.1.example.com/a", None, False),
    ],
)
def test_names_are_read(text: str, name: str, tag: str | None, loopback: bool) -> None:
    """Names of the grammar are taken apart as engines do, and only this machine's own addresses are loopback."""
    found = parse(text, "image")
    assert (found.name, found.tag, found.loopback, str(found)) == (name, tag, loopback, text)


def test_a_digest_is_part_of_a_name() -> None:
    """A name by digest keeps it."""
    assert parse(f"python@sha256:{'a' * 64}", "base-image").digest == f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("team/scores", "docker.io/team/scores", True),
        ("index.docker.io/team/scores", "registry-1.docker.io/team/scores", True),
        ("postgres", "docker.io/library/postgres", True),
        ("library/postgres", "index.docker.io/postgres", True),
        ("ghcr.io/team/scores", "team/scores", False),
        ("localhost/team/scores", "team/scores", False),
        ("registry:5000/scores", "docker.io/registry/scores", False),
        ("team/scores", "team/score", False),
    ],
)
def test_repository__one_by_all_its_spellings(one: str, other: str, same: bool) -> None:
    """Docker Hub's repositories are the same with and without its hosts; those of other registries are not."""
    assert (repository_of(one) == repository_of(other)) is same


def test_image__one_by_its_digest() -> None:
    """Two references mean one image if their digests are one; a tag is the same only letter by letter."""
    one, other = (f"ghcr.io/a/b@sha256:{letter * 64}" for letter in "ab")

    assert same_image(one, one.replace("ghcr.io/a", "mirror.example:5000")) and not same_image(one, other)
    assert same_image("a/b:v1", "a/b:v1") and not same_image("a/b:v1", "a/b:v2") and not same_image("a/b:v1", one)
    assert not same_image(None, None) and not same_image("", "")


BAD_NAMES = [
    "",
    " ",
    "-v",
    "--privileged",
    "Upper/case",
    "python:3.11\nRUN curl evil",
    "python:3.11 AS builder",
    "python:3.11\tx",
    "python:3.11\\",
    "python;id",
    "$(id)",
    "${HOME}",
    "{{ 7 * 7 }}",
    "a//b",
    "a/",
    "/a",
    "a:b:c",
    "a@sha256:abc",
    f"a@md5:{'a' * 32}",
    "a:" + "t" * 129,
    "a" * 256,
    "пример/модель",
    "a\x00b",
    "https://example.com/a",
]


@pytest.mark.parametrize("text", BAD_NAMES)
def test_anything_else_is_refused(text: str) -> None:
    """Options of engines, instructions of Dockerfiles, shell and template syntax are no image names."""
    with pytest.raises(OptionsError, match="is no image name"):
        parse(text, "image")


@pytest.mark.parametrize("text", BAD_NAMES)
def test_no_bad_base_reaches_a_dockerfile(text: str) -> None:
    """A Dockerfile is never rendered from a base that is no image name."""
    with pytest.raises(OptionsError):
        dockerfile.render(text)


@pytest.mark.parametrize("name", ["libgomp1 && id", "-y", "a;b", "A", "lib\nRUN id", "$(id)", "a" * 200, "x"])
def test_no_bad_package_reaches_a_dockerfile(name: str) -> None:
    """System packages follow Debian's grammar."""
    with pytest.raises(OptionsError, match="no name of a Debian package"):
        dockerfile.render("python:3.11-slim", [name])


def test_the_dockerfile_keeps_its_promises() -> None:
    """Two stages from one base, hashes required, an unprivileged user, weights in the last instruction."""
    text = dockerfile.render("python:3.11-slim", ["libgomp1"])
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM python:3.11-slim AS builder",
        "FROM python:3.11-slim",
    ]
    assert lines[-1] == "COPY model /app/model" and "USER 65532:65532" in lines
    assert "--require-hashes" in text and "libgomp1" in text and "{{" not in text
    assert "apt-get" not in dockerfile.render("python:3.11-slim")


def test_the_context_holds_a_gateway_that_runs_alone(tmp_path: Path) -> None:
    """The code in the image imports without the rest of cd4ml, and the model's files are readable by anybody."""
    model = tmp_path / "source"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "MLmodel").chmod(0o600)
    context = tmp_path / "context"
    context.mkdir()
    service = dockerfile.Service(name="a", version="1", sha256="0" * 64, positive_label=None)
    dockerfile.write_context(context, dockerfile="FROM a\n", requirements="", model=model, service=service)
    app = context / "app"
    program = "import cd4ml.serving.server, cd4ml, sys; print(cd4ml.__file__); assert 'ruamel.yaml' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=app,
        env={"PYTHONPATH": str(app)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(app)) and not done.stdout.startswith(str(ROOT / "cd4ml"))
    assert (context / "model" / "MLmodel").stat().st_mode & 0o777 == 0o644
    assert not (app / "cd4ml" / "stages").exists()


@pytest.mark.parametrize("name", [".wh.MLmodel", "code/.wh..wh..opq", ".wh.data/weights.bin"])
def test_a_name_that_deletes_files_in_a_layer_is_refused(tmp_path: Path, name: str) -> None:
    """A file that is there when the image is called and gone where it is pulled never gets into one."""
    model, context = tmp_path / "model", tmp_path / "context"
    (model / name).parent.mkdir(parents=True)
    context.mkdir()
    (model / "MLmodel").write_text("x")
    (model / name).write_text("x")
    service = dockerfile.Service(name="loans", version=None, sha256="0" * 64, positive_label=None)

    with pytest.raises(OptionsError, match=r"begins with `\.wh\.`"):
        dockerfile.write_context(context, dockerfile="FROM a\n", requirements="", model=model, service=service)
    assert not (context / "model").exists()


def test_the_base_does_not_say_where_the_gateway_listens_or_what_it_serves() -> None:
    """Whatever the gateway reads from the environment is set by the Dockerfile, so that a base cannot decide it."""
    settings = (ROOT / "cd4ml" / "serving" / "settings.py").read_text()
    read = re.findall(r'environ(?:\.get\(|, )"([A-Z_]+)"', settings)
    final = dockerfile.render("python:3.11-slim").rpartition("\nFROM ")[2]

    assert len(read) == 7
    assert [name for name in read if not re.search(rf"^(ENV|   ) {name}=", final, re.M)] == []
