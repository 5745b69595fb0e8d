"""What is read from a base's layers: its Python, its installers and its C library."""

from __future__ import annotations

from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.oci.archives import LayerFile, Tree
from cd4ml.image.builders.oci.environment import wheels_for
from cd4ml.image.builders.oci.python import contents_of, python_of
from tests.image.builders.oci.test_archives import layer

Entries = list[str | tuple[str, str]]


def test_python_is_the_one_on_path(tmp_path: Path) -> None:
    """The first `python3` of the base's own PATH counts, by the name of the program that it leads to."""
    entries: Entries = [
        ("usr/bin/python3", "python3.12"),
        "usr/bin/python3.12",
        ("opt/x/bin/python3", "../lib/python3.11"),
    ]
    tree = Tree([layer(tmp_path, *entries, "opt/x/lib/python3.11")])
    assert python_of(tree, {"PATH": "relative:/opt/x/bin:/usr/bin"}, "x").version == "3.11"
    found = python_of(tree, {}, "x")
    assert (found.program, found.real, found.version) == ("/usr/bin/python3", "/usr/bin/python3.12", "3.12")


@pytest.mark.parametrize("entries", [["bin/sh"], ["usr/bin/python3"], [("usr/bin/python3", "/nowhere/python3.11")]])
def test_a_base_without_python_is_refused(tmp_path: Path, entries: Entries) -> None:
    """Without a Python whose version can be read nothing is built."""
    with pytest.raises(UnavailableError, match="no python3 on its PATH"):
        python_of(Tree([layer(tmp_path, *entries)]), {}, "x")


def test_installers_are_found_with_the_folders_above_them(tmp_path: Path) -> None:
    """pip and its like are found where the base keeps them, by their real paths, with the owners of their folders."""
    library = "usr/local/lib/python3.11"
    entries: Entries = ["usr/local/bin/", ("usr/local/bin/python3", "python3.11"), "usr/local/bin/python3.11"]
    entries += ["usr/local/bin/pip3", "usr/local/bin/pipeline", f"{library}/site-packages/pip/", ("bin", "usr/bin")]
    entries += [f"{library}/ensurepip/", f"{library}/site-packages/pipelines/", "usr/bin/pip", f"{library}/os.py"]
    found = contents_of(Tree([layer(tmp_path, *entries)]), {"PATH": "/usr/local/bin:/bin"}, "x")
    assert list(found.installers) == [
        "/usr/bin/pip",
        "/usr/local/bin/pip3",
        "/usr/local/lib/python3.11/ensurepip",
        "/usr/local/lib/python3.11/site-packages/pip",
    ]
    assert found.folders["/usr/local/bin"] == (0o750, 7, 8) and found.folders["/usr/local"] == (0o755, 0, 0)


def libc(folder: Path, text: str) -> LayerFile:
    """Write a layer with a C library that says so of itself."""
    (folder / "libc.so.6").write_bytes(b"\0" * 5000 + text.encode() + b"\0" * 5000)
    import gzip
    import tarfile

    with gzip.open(folder / "libc", "wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder / "libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6")
    return LayerFile(path=folder / "libc", media_type="x.tar+gzip")


@pytest.mark.parametrize(
    ("says", "wheels"),
    [
        ("GNU C Library (Debian GLIBC 2.36-9+deb12u9) stable release version 2.36.", "x86_64-manylinux_2_36"),
        ("GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.", "x86_64-manylinux_2_40"),
        ("GNU C Library (GNU libc) stable release version 2.30.", "x86_64-manylinux_2_28"),
    ],
)
def test_wheels_are_those_of_the_bases_c_library(tmp_path: Path, says: str, wheels: str) -> None:
    """The newest standard of wheels that the base's own C library meets is taken, and no newer one."""
    tree = Tree([layer(tmp_path, ("lib", "usr/lib")), libc(tmp_path, says)])
    assert wheels_for(tree, "amd64") == wheels


def test_a_base_without_a_c_library_that_is_known_is_refused(tmp_path: Path) -> None:
    """Alpine's is musl; where none is found, or for another processor, no wheel is guessed."""
    assert wheels_for(Tree([layer(tmp_path, "lib/ld-musl-aarch64.so.1")]), "arm64") == "aarch64-unknown-linux-musl"
    for machine in ("amd64", "riscv64"):
        with pytest.raises(UnavailableError, match=f"no C library that is known for {machine}"):
            wheels_for(Tree([layer(tmp_path, "lib/x")]), machine)
