"""The Dockerfile and its build context: what they promise, and what never reaches them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError
from cd4ml.image import dockerfile
from cd4ml.image.contents import Contents
from cd4ml.serving.settings import declared
from tests.conftest import ROOT
from tests.image.test_reference import BAD_NAMES


@pytest.mark.parametrize("text", BAD_NAMES)
def test_no_bad_base_reaches_a_dockerfile(text: str) -> None:
    """A Dockerfile is never rendered from a base that is not an image name."""
    with pytest.raises(OptionsError):
        dockerfile.render(text)


@pytest.mark.parametrize("name", ["libgomp1 && id", "-y", "a;b", "A", "lib\nRUN id", "$(id)", "a" * 200, "x"])
def test_no_bad_package_reaches_a_dockerfile(name: str) -> None:
    """System packages follow Debian's grammar."""
    with pytest.raises(OptionsError, match="not the name of a Debian package"):
        dockerfile.render("python:3.11-slim", [name])


def test_the_dockerfile_keeps_its_promises() -> None:
    """Two stages from one base, hashes required, an unprivileged user, weights in the last instruction."""
    text = dockerfile.render("python:3.11-slim", ["libgomp1"])
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM python:3.11-slim AS builder",
        "FROM python:3.11-slim",
    ]
    assert lines[-1] == "ADD weights.tar /" and "USER 65532:65532" in lines
    assert "--require-hashes" in text and "libgomp1" in text and "{{" not in text
    assert "apt-get" not in dockerfile.render("python:3.11-slim")


NO_INSTALLERS: dict[str, Any] = {"python": "3.11", "installers": [], "folders": {}}


def write_context(folder: Path, model: Path, **base: Any) -> Path:
    """Write the context of a build."""
    service = dockerfile.Service(name="a", version="1", sha256="0" * 64, positive_label=None)
    folder.mkdir()
    dockerfile.write_context(
        folder,
        dockerfile="FROM a\n",
        requirements="",
        model=model,
        service=service,
        base=Contents(**NO_INSTALLERS | base),
    )
    return folder


def test_the_context_holds_a_gateway_that_runs_alone(tmp_path: Path) -> None:
    """The code in the image imports without the rest of cd4ml, and the model's files are readable by anybody."""
    model = tmp_path / "source"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "MLmodel").chmod(0o600)
    context = write_context(tmp_path / "context", model)
    for name in ("gateway", "weights"):
        with tarfile.open(context / f"{name}.tar") as archive:
            archive.extractall(tmp_path / "image", filter="fully_trusted")
    app = tmp_path / "image" / "app"
    program = "import cd4ml.serving.server, cd4ml, sys; print(cd4ml.__file__); assert 'yaml' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=app,
        env={"PYTHONPATH": str(app)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(app)) and not done.stdout.startswith(str(ROOT / "cd4ml"))
    assert (app / "model" / "MLmodel").stat().st_mode & 0o777 == 0o644
    assert not (app / "cd4ml" / "stages").exists()


def test_the_same_files_make_the_same_layers(tmp_path: Path) -> None:
    """Times, modes and the order in which files were written leave no trace in what the image is made of."""
    contexts = []
    for number, names in enumerate((["MLmodel", "data/a.bin", "data/b.bin"], ["data/b.bin", "data/a.bin", "MLmodel"])):
        model = tmp_path / f"model{number}"
        for name in names:
            (model / name).parent.mkdir(parents=True, exist_ok=True)
            (model / name).write_text(name)
            os.utime(model / name, (number * 1000, number * 1000))
        (model / "MLmodel").chmod(0o600 + number * 0o44)
        contexts.append(write_context(tmp_path / f"context{number}", model))
    assert {path.name for path in contexts[0].glob("*.tar")} == {"removed.tar", "gateway.tar", "weights.tar"}
    for path in contexts[0].glob("*.tar"):
        assert path.read_bytes() == (contexts[1] / path.name).read_bytes()


def test_other_weights_change_their_own_layer_alone(tmp_path: Path) -> None:
    """A new model changes the layer of the weights, and neither the gateway's nor what is taken out of the base."""
    contexts = []
    for text in ("old", "new"):
        model = tmp_path / text
        model.mkdir()
        (model / "MLmodel").write_text(text)
        contexts.append(write_context(tmp_path / f"context-{text}", model))
    same = [p.name for p in sorted(contexts[0].glob("*.tar")) if p.read_bytes() == (contexts[1] / p.name).read_bytes()]
    assert same == ["gateway.tar", "removed.tar"]


def test_installers_of_the_base_become_links_to_nowhere(tmp_path: Path) -> None:
    """A program or a package that installs is replaced; the folders above it keep their mode and owner."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("x")
    folders = {"/opt": [0o755, 0, 0], "/opt/python": [0o2775, 1001, 5]}
    context = write_context(tmp_path / "context", model, installers=["/opt/python/pip"], folders=folders)
    with tarfile.open(context / "removed.tar") as archive:
        top, folder, link = archive.getmembers()
    assert (top.name, folder.name, folder.mode, folder.uid, folder.gid) == ("opt", "opt/python", 0o2775, 1001, 5)
    assert (link.name, link.issym(), link.linkname.startswith("/removed")) == ("opt/python/pip", True, True)


def test_the_base_says_where_its_installers_are(tmp_path: Path) -> None:
    """What installs packages is found on PATH and among the packages of Python, wherever the base keeps them."""
    for name in ("pip", "pip3.11", "wheel", "pipeline", "python3"):
        (tmp_path / name).write_text("")
    packages = tmp_path / "packages"
    for name in ("pip", "pip-23.0.dist-info", "setuptools-66.egg-info", "pipelines", "numpy"):
        (packages / name).mkdir(parents=True)
    program = ROOT / "cd4ml" / "image" / "base_probe.py"
    env = {"PATH": f"{tmp_path}:/nothing-here:relative", "PYTHONPATH": str(packages)}
    done = subprocess.run([sys.executable, str(program)], env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    names = [Path(path).relative_to(tmp_path).as_posix() for path in found["installers"] if str(tmp_path) in path]
    assert names == ["packages/pip", "packages/pip-23.0.dist-info", "packages/setuptools-66.egg-info"] + [
        "pip",
        "pip3.11",
        "wheel",
    ]
    assert found["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found["folders"][str(packages)] == [packages.stat().st_mode & 0o7777, os.getuid(), os.getgid()]


@pytest.mark.parametrize("packages", [[], ["libgomp1"]])
def test_steps_run_as_root_by_a_known_shell_and_the_image_as_nobody(packages: list[str]) -> None:
    """Whatever user, shell, command and health check the base has, they are not those of the image."""
    stages = [stage.splitlines() for stage in dockerfile.render("python:3.11-slim", packages).split("\nFROM ")]
    for stage in stages:
        first = next((at for at, line in enumerate(stage) if line.startswith("RUN")), None)
        assert first is None or {"USER 0:0", 'SHELL ["/bin/sh", "-c"]'} <= set(stage[:first])
    final = stages[-1]
    assert [line for line in final if line.startswith("USER")][-1] == "USER 65532:65532"
    assert {"HEALTHCHECK NONE", "CMD []"} <= set(final)


@pytest.mark.parametrize("name", [".wh.MLmodel", "code/.wh..wh..opq", ".wh.data/weights.bin"])
def test_a_name_that_deletes_files_in_a_layer_is_refused(tmp_path: Path, name: str) -> None:
    """A file that is there when the image is called and gone where it is pulled never gets into one."""
    model = tmp_path / "model"
    (model / name).parent.mkdir(parents=True)
    (model / "MLmodel").write_text("x")
    (model / name).write_text("x")

    with pytest.raises(OptionsError, match=r"begins with `\.wh\.`"):
        write_context(tmp_path / "context", model)
    assert not (tmp_path / "context" / "weights.tar").exists()


def test_the_base_does_not_say_where_the_gateway_listens_or_what_it_serves() -> None:
    """Whatever the gateway reads from the environment is set by the Dockerfile, so that a base cannot decide it."""
    final = dockerfile.render("python:3.11-slim").rpartition("\nFROM ")[2]

    assert len(list(declared())) > 6
    for name, setting in declared():
        assert re.search(rf"^(ENV|   ) {name}={re.escape(setting.default)} ", final, re.M), name
