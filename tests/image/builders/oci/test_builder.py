"""The builder without an engine against a real registry and a real base: what is the same, and what is sent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from cd4ml.image import dockerfile
from cd4ml.image.builders.oci.archives import unpack
from cd4ml.image.builders.oci.builder import Oci
from cd4ml.image.builders.oci.sandbox import ENVIRONMENT, find_sandbox
from cd4ml.image.builders.oci.store import Store, key_of
from cd4ml.image.contents import Contents, probed
from cd4ml.image.reference import parse
from cd4ml.process.programs import required
from tests.conftest import ROOT, need_program
from tests.containers import Lab
from tests.image.builders.oci.machine import made
from tests.image.registries import Gate, gate, registry


def context(folder: Path, weights: str, contents: Contents, *, moment: int) -> Path:
    """Write the context of a build that needs one small package; the model's files are of another time each."""
    model = folder / "model"
    (model / "data").mkdir(parents=True)
    for name, text in (("MLmodel", "flavors: {}\n"), ("data/weights.bin", weights)):
        (model / name).write_text(text)
        os.utime(model / name, (moment, moment))
    locked = (ROOT / "requirements" / "build-image.txt").read_text()
    (package,) = re.findall(r"^six==(?:.*\\\n)*.*\n", locked, re.M)
    service = dockerfile.Service(name="loans", version="1", sha256="0" * 64, positive_label=None)
    target = folder / "context"
    target.mkdir()
    dockerfile.write_context(target, dockerfile="", requirements=package, model=model, service=service, base=contents)
    return target


def builder(store: Path) -> Oci:
    """Return a builder on this machine."""
    return Oci(environ=os.environ, store=Store(store), sandbox=find_sandbox(os.environ))


def elsewhere(folder: Path, *arguments: str) -> str:
    """Build as another user with another umask, time zone and place for temporary files."""
    (folder / "scratch").mkdir()
    environ = {**os.environ, "TMPDIR": str(folder / "scratch"), "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
    user = [need_program("unshare"), "--user", "--map-user=1000", "--map-group=1000"]
    done = subprocess.run(
        [*user, sys.executable, "-m", "tests.image.builders.oci.machine", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.umask(0o077) and None,
    )
    assert done.returncode == 0, done.stderr
    assert list((folder / "scratch").iterdir()) == []
    return done.stdout.strip()


def uploads(door: Gate) -> list[str]:
    """Return the digests of the blobs that were sent, and forget them."""
    sent = [path.rpartition("sha256%3A")[2] for path in door.methods("PUT", "/blobs/uploads/")]
    door.asked.clear()
    return sent


@pytest.fixture(scope="module")
def contents(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What is in the base."""
    own = builder(tmp_path_factory.mktemp("store"))
    own.pull(parse(lab.base_image, "base-image"))
    return own.contents(lab.base_image)


def test_two_machines_make_one_digest_and_a_new_model_sends_its_weights(
    lab: Lab, contents: Contents, tmp_path: Path
) -> None:
    """Folders, users, umasks and times leave no trace; a rerun sends nothing, other weights one layer."""
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    first = context(tmp_path / "one", "old", contents, moment=1_000_000_000)
    second = context(tmp_path / "two", "old", contents, moment=1_700_000_000)
    third = context(tmp_path / "three", "new", contents, moment=1_000_000_000)
    crane = need_program("crane")
    # A registry of its own: a blob that another test left in the lab's would not be sent again.
    with registry(tmp_path / "registry") as host, gate(host) as door:
        base = lab.base_image.replace(lab.registry, door.host)
        subprocess.run([crane, "copy", lab.base_image, base.replace(door.host, host)], check=True, capture_output=True)
        name = f"{door.host}/without-engine/loans"
        digest = made(tmp_path / "one" / "store", first, base, f"{name}:1")
        # The base's layers are the registry's own.
        assert len(uploads(door)) == 5
        assert elsewhere(tmp_path / "two", str(tmp_path / "two" / "store"), str(second), base, f"{name}:2") == digest
        assert uploads(door) == [] and lab.digest(f"{host}/without-engine/loans:2") == digest

        changed = made(tmp_path / "one" / "store", third, base, f"{name}:3")
        image = Store(tmp_path / "one" / "store").image(key_of(parse(f"{name}:3", "image")))
        assert image is not None and changed != digest
        assert set(uploads(door)) == {image.manifest.layers[-1].digest[7:], image.id[7:]}
        subprocess.run([crane, "validate", "--remote", f"{host}/without-engine/loans:3"], check=True)
    own = ["removed", "environment", "gateway", "weights"]
    assert [entry.get("created_by") for entry in image.config["history"]][-4:] == [f"cd4ml: {part}" for part in own]
    assert_environment(Store(tmp_path / "one" / "store").blob(image.manifest.layers[-3].digest))


def assert_environment(layer: Path) -> None:
    """The layer of the environment is what Python takes for one, compiled and owned by root."""
    with tarfile.open(layer) as archive:
        members = {member.name: member for member in archive}
    packages = "opt/venv/lib/python3.11/site-packages"
    assert {f"{packages}/six.py", f"{packages}/__pycache__/six.cpython-311.pyc", "opt/venv/pyvenv.cfg"} <= set(members)
    assert members["opt/venv/bin/python3.11"].linkname.endswith("/bin/python3")
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 315532800)}


def test_what_is_read_from_a_base_is_what_the_base_says_itself(lab: Lab, contents: Contents, tmp_path: Path) -> None:
    """The base's Python, started on its unpacked layers, finds the same version and the same installers."""
    own = builder(tmp_path / "store")
    own.pull(parse(lab.base_image, "base-image"))
    stored = own.store.image(key_of(parse(lab.base_image, "base-image")))
    assert stored is not None
    root = tmp_path / "root"
    root.mkdir()
    unpack(own.store.files(stored), root)
    settings = dict(item.split("=", 1) for item in stored.settings["Env"])

    def once(image: str, argv: Sequence[str]) -> str:
        program = ["/usr/bin/env", *argv]
        command = own.sandbox.command(root, program, user=0, settings=settings)
        return required(command, image, environ=ENVIRONMENT, seconds=60)

    found = probed("base", once)
    assert (found.python, found.installers) == (contents.python, contents.installers)
    assert set(found.folders) == set(contents.folders) and "pip" in json.dumps(contents.installers)
