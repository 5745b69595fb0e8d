"""Roots of images that can run a few of this machine's own programs."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from cd4ml.image.builders.oci.archives import LayerFile
from tests.conftest import need_program


def root_with(folder: Path, *programs: str) -> Path:
    """Copy programs, and the libraries that they need, to where an image has them."""
    for name in programs:
        program = Path(need_program(name)).resolve()
        place(folder, f"/usr/bin/{name}").write_bytes(program.read_bytes())
        (folder / "usr/bin" / name).chmod(0o755)
        listed = subprocess.run([need_program("ldd"), program], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            shutil.copy(library, place(folder, library))
    return folder


def place(root: Path, path: str) -> Path:
    """Return where a file of an image is, in a folder that is there."""
    found = root / path.lstrip("/")
    found.parent.mkdir(parents=True, exist_ok=True)
    return found


def packed(root: Path, archive: Path) -> LayerFile:
    """Make a root the only layer of an image."""
    with tarfile.open(archive, "w") as target:
        target.add(root, ".")
    return LayerFile(path=archive, media_type="x.tar")
