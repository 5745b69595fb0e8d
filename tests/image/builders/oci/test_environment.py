"""The layer of the environment on a base that means harm: its Python is run to compile, and is no compiler."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Build
from cd4ml.image.builders.oci.archives import Tree
from cd4ml.image.builders.oci.environment import environment_layer
from cd4ml.image.builders.oci.python import python_of
from cd4ml.image.builders.oci.sandbox import find_sandbox
from cd4ml.image.builders.oci.store import Store
from cd4ml.image.reference import parse
from tests.image.builders.oci.roots import packed, place, root_with


def names(folder: Path, program: str) -> set[str]:
    """Return what is in the layer of an environment without packages, whose base has this for a Python."""
    root = root_with(folder / "root", "sh", "mv", "ln", "mkfifo", "touch", "mkdir")
    place(root, "/usr/bin/python3.11").write_text(f"#!/usr/bin/sh\n{program}\n")
    (root / "usr/bin/python3.11").chmod(0o755)
    (root / "usr/bin/python3").symlink_to("python3.11")
    layers = [packed(root, folder / "base.tar")]
    (folder / "requirements.txt").write_text("")
    tree, base = Tree(layers), parse("a.io/base:1", "base-image")
    build = Build(context=folder, image=base, base=base, labels={}, network="none")
    store, sandbox = Store(folder / "store"), find_sandbox(os.environ)
    store.make()
    made = environment_layer(build, layers, tree, python_of(tree, {}, "base"), "amd64", store, sandbox)
    with tarfile.open(store.blob(made.digest)) as archive:
        return set(archive.getnames())


def test_the_base_can_write_to_the_environment_alone(tmp_path: Path) -> None:
    """What is compiled gets into the layer; a folder of this machine in the environment's place does not."""
    secret = tmp_path / "machine"
    secret.mkdir()
    (secret / "secret").write_text("x")
    found = names(tmp_path, f"mv /opt/venv /opt/old && ln -s {secret} /opt/venv; touch /opt/venv/lib/x.pyc; exit 0")
    assert "opt/venv/lib/x.pyc" in found and "opt/venv/pyvenv.cfg" in found and "opt/venv/secret" not in found


def test_folders_too_deep_to_walk_are_refused(tmp_path: Path) -> None:
    """Folders in folders, deeper than Python's own functions reach, end the build and are removed with it."""
    with pytest.raises(UnavailableError, match="made folders 100 deep"):
        names(tmp_path, f"mkdir -p /opt/venv/{'d/' * 1200}")


@pytest.mark.parametrize(
    "program",
    [
        "ln -s /etc /opt/venv/etc",
        "ln -sf /etc/passwd /opt/venv/bin/python3",
        "mkfifo /opt/venv/lib/waits.py",
        "mv /opt/venv/lib /opt/venv/old; ln -s /etc /opt/venv/lib",
    ],
)
def test_links_and_special_files_of_the_base_are_refused(tmp_path: Path, program: str) -> None:
    """A link that the base's Python made, or a file that nobody could read to its end, ends the build."""
    with pytest.raises(UnavailableError, match="made a link or a special file of its own"):
        names(tmp_path, program)
