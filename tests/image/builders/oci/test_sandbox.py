"""The sandbox that an image is started in: whose variables reach whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cd4ml.image.builders.oci.builder import Oci
from cd4ml.image.builders.oci.sandbox import ENVIRONMENT, find_sandbox
from cd4ml.image.builders.oci.store import Store, key_of
from cd4ml.image.reference import parse
from cd4ml.image.registry_api.manifests import CONFIG, MANIFEST, Descriptor, read_manifest
from cd4ml.process.programs import completed, waited
from tests.image.builders.oci.roots import packed, root_with


def test_the_variables_of_an_image_are_its_programs_alone(tmp_path: Path) -> None:
    """A program gets what its image sets, to the letter, and nothing of this machine."""
    root = root_with(tmp_path / "root", "env")
    settings = {"PATH": "/usr/bin", "A": "two\nlines=1", "EMPTY": ""}
    command = find_sandbox(os.environ).command(root, ["env", "-0"], user=7, settings=settings)
    done = completed(command, environ=ENVIRONMENT, seconds=20)
    found = dict(item.partition("=")[::2] for item in done.text.split("\0") if item)
    assert found == {**settings, "PWD": "/"}, done.complaint


@pytest.mark.parametrize(
    "above", [sys.prefix, sys.base_prefix, str(Path(sys.prefix).parent)], ids=["environment", "base", "folder-above"]
)
def test_the_sandbox_is_found_wherever_temporary_files_are(above: str) -> None:
    """A machine whose folder for temporary files holds the Python that runs, as a runner's may, has a sandbox too."""
    program = "import os; from cd4ml.image.builders.oci.sandbox import find_sandbox; find_sandbox(os.environ)"
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "TMPDIR": above}, check=True, timeout=60)


def test_an_image_cannot_order_this_machines_loader(tmp_path: Path) -> None:
    """A base whose variables name a library, or a file for the loader's notes, has no effect outside of its sandbox."""
    store = Store(tmp_path / "store")
    store.make()
    (tmp_path / "root").mkdir()
    trace = tmp_path / "trace"
    variables = ["LD_DEBUG=libs", f"LD_DEBUG_OUTPUT={trace}", "=nameless", "X=\0", "PATH=/usr/bin"]
    layer = store.compress(packed(tmp_path / "root", tmp_path / "layer.tar").path)
    config = json.dumps({"config": {"Env": variables}, "rootfs": {"diff_ids": [layer.diff_id]}}).encode()
    about = Descriptor(media_type=CONFIG, digest=store.keep(config), size=len(config))
    document = {"mediaType": MANIFEST, "config": about.document(), "layers": [layer.descriptor.document()]}
    store.name(key_of(parse("a.io/x:1", "x")), read_manifest(json.dumps(document).encode(), MANIFEST, "x"), None)
    builder = Oci(environ=os.environ, store=store, sandbox=find_sandbox(os.environ))
    container = builder.start("a.io/x:1")
    try:
        assert container.process is not None
        waited(container.process, 20)
        # bubblewrap itself did start: it says what it does not find in the image.
        assert "execvp" in builder.logs(container)
    finally:
        builder.stop(container)
    assert list(tmp_path.glob("trace*")) == []
