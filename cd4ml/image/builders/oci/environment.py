"""The model's locked packages as a layer: installed for the base's Python by uv, and compiled by that Python itself."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cd4ml.environments import program, without_python
from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Build
from cd4ml.image.builders.command import run_build
from cd4ml.image.builders.oci.archives import LayerFile, Tree, unpack
from cd4ml.image.builders.oci.python import Python
from cd4ml.image.builders.oci.sandbox import ENVIRONMENT, Sandbox
from cd4ml.image.builders.oci.store import Store, StoredLayer
from cd4ml.image.layers import Layer
from cd4ml.image.layout import VENV
from cd4ml.image.slim import slim
from cd4ml.process.programs import completed

# What the layer is made by: another way of making it is another layer.
_MADE_BY: Final = "2"
_SCRIPT: Final = re.compile(rb"#!.*python|#!/bin/sh\n'''exec' .*python")
_MANYLINUX: Final = ("2_40", "2_39", "2_38", "2_37", "2_36", "2_35", "2_34", "2_33", "2_32", "2_31", "2_28", "2_17")
_GLIBC: Final = re.compile(rb"GNU C Library [^\n]{0,80} version (\d+)\.(\d+)")
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_DEEPEST: Final = 100
_SECONDS_TO_COMPILE: Final = 900.0


def environment_layer(
    build: Build, layers: Sequence[LayerFile], tree: Tree, python: Python, machine: str, store: Store, sandbox: Sandbox
) -> StoredLayer:
    """Return the layer of the environment, made once for the same packages, Python and base.

    Raises:
        BuildFailed: the packages cannot be installed.
        UnavailableError: what it needs cannot be reached.
    """
    requirements = build.context / "requirements.txt"
    platform = wheels_for(tree, machine)
    facts = [_MADE_BY, platform, python.program, build.base.digest or "", requirements.read_text(encoding="utf-8")]
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    known = store.layer(key)
    if known is not None:
        return known
    with tempfile.TemporaryDirectory(prefix="cd4ml-image-environment-") as scratch:
        root = Path(scratch) / "root"
        root.mkdir()
        unpack(layers, root)
        venv = root / VENV.lstrip("/")
        # The base may have something there, or a link that leads out of the root.
        for path in (venv.parent, venv):
            if path.is_symlink():
                path.unlink()
        shutil.rmtree(venv, ignore_errors=True)
        packages = venv / "lib" / f"python{python.version}" / "site-packages"
        packages.mkdir(parents=True)
        _install(build, requirements, packages, platform, python, sandbox.environ)
        _scripts(packages, venv)
        slim(str(packages))
        _outline(venv, python)
        links = _links(venv)
        _compile(root, python, sandbox)
        _require_unchanged(root, venv, links)
        archive = Path(scratch) / "environment.tar"
        _write(venv, archive)
        made = store.compress(archive)
    store.keep_layer(key, made)
    return made


def wheels_for(tree: Tree, machine: str) -> str:
    """Return uv's name for the platform whose wheels a base takes: by its C library, which is in its layers.

    Raises:
        UnavailableError: it has none that is known.
    """
    known = _MACHINES.get(machine)
    for folder in (
        "/lib",
        f"/lib/{known}-linux-gnu",
        "/lib64",
        "/usr/lib",
        f"/usr/lib/{known}-linux-gnu",
        "/usr/lib64",
    ):
        if known and tree.real(f"{folder}/ld-musl-{known}.so.1"):
            return f"{known}-unknown-linux-musl"
        library = tree.real(f"{folder}/libc.so.6")
        if library is None:
            continue
        version = _GLIBC.search(tree.read(library))
        if known and version:
            has = (int(version[1]), int(version[2]))
            fitting = [name for name in _MANYLINUX if tuple(map(int, name.split("_"))) <= has]
            if fitting:
                return f"{known}-manylinux_{fitting[0]}"
    raise UnavailableError(
        f"The base has no C library that is known for {machine}: no wheel could be chosen for it.",
        advice="Take a base on a current distribution, or another engine.",
    )


def _install(
    build: Build, requirements: Path, packages: Path, platform: str, python: Python, environ: Mapping[str, str]
) -> None:
    """Install the packages, running none of their code."""
    flags = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy", "--no-config"]
    where = ["--target", str(packages), "--python", sys.executable]
    what = ["--python-version", python.version, "--python-platform", platform, "--requirement", str(requirements)]
    network = ["--offline"] if build.network == "none" else []
    own = {**without_python(environ), **({"SSL_CERT_FILE": str(build.extra_ca)} if build.extra_ca else {})}
    run_build([program(), "pip", "install", *flags, *network, *where, *what], own)


def _scripts(packages: Path, venv: Path) -> None:
    """Put programs where an environment has them; scripts that name this machine's Python stay out."""
    (venv / "bin").mkdir(parents=True)
    if not (packages / "bin").is_dir():
        return
    for path in sorted((packages / "bin").iterdir()):
        if path.is_file() and not _SCRIPT.match(path.read_bytes()[:4096]):
            path.rename(venv / "bin" / path.name)
    shutil.rmtree(packages / "bin")


def _outline(venv: Path, python: Python) -> None:
    """Make of the folder what Python takes for an environment."""
    home = python.program.rpartition("/")[0]
    (venv / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n", encoding="utf-8")
    for name, target in ((f"python{python.version}", python.program), ("python3", f"python{python.version}")):
        (venv / "bin" / name).symlink_to(target)
    (venv / "bin" / "python").symlink_to("python3")
    (venv / "lib64").symlink_to("lib")


def _compile(root: Path, python: Python, sandbox: Sandbox) -> None:
    """Compile the packages with the base's own Python: without, every start of the gateway compiles them again.

    A file that cannot be compiled (for another version of Python, say) is none that a model imports.
    """
    argv = [f"{VENV}/bin/python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", f"{VENV}/lib"]
    settings = {"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"}
    command = sandbox.command(root, argv, user=0, settings=settings, writable=VENV)
    done = completed(command, environ=ENVIRONMENT, seconds=_SECONDS_TO_COMPILE)
    _require_shallow(root / VENV.lstrip("/"), python)
    if not any(root.glob(f"{VENV.lstrip('/')}/lib/*/site-packages/**/*.pyc")) and not done.done:
        raise UnavailableError(f"The base's Python ({python.program}) does not run here: {done.last_words(300)}")


def _require_shallow(venv: Path, python: Python) -> None:
    """Refuse folders so deep that no function of Python's would get through them, nor remove them.

    Raises:
        UnavailableError: there are some; nothing of them is left.
    """
    left = [(str(venv), 0)]
    while left:
        folder, depth = left.pop()
        try:
            with os.scandir(folder) as entries:
                left += [(entry.path, depth + 1) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            depth = _DEEPEST if error.errno == errno.ENAMETOOLONG else depth
        if depth >= _DEEPEST:
            completed(["rm", "-rf", "--", str(venv)], environ=ENVIRONMENT, seconds=_SECONDS_TO_COMPILE)
            raise UnavailableError(
                f"The base's Python ({python.program}), told to compile the packages, made folders {depth} deep.",
                advice="Do not use this base.",
            )


def _links(venv: Path) -> dict[Path, str]:
    """Return the links in the environment, and where each leads."""
    return {path: os.readlink(path) for path in venv.rglob("*") if path.is_symlink()}


def _require_unchanged(root: Path, venv: Path, links: Mapping[Path, str]) -> None:
    """Refuse what the base's Python has left where files are packed from: links would lead to this machine's files.

    Raises:
        UnavailableError: there is a link that was not there before, or something that is neither file nor folder.
    """
    changed = [path for path in (venv, *venv.parents) if path.is_relative_to(root) and path.is_symlink()]
    if not changed:
        odd = (path for path in venv.rglob("*") if not (path.is_symlink() or path.is_dir() or path.is_file()))
        changed = [*odd, *(path for path, target in _links(venv).items() if links.get(path) != target)]
    if changed:
        name = str(changed[0].relative_to(root))[:200]
        raise UnavailableError(
            f"The base's Python, told to compile the packages, made a link or a special file of its own: {name!r}.",
            advice="Do not use this base.",
        )


def _write(venv: Path, archive: Path) -> None:
    """Write the environment's layer."""
    layer = Layer(archive)
    above = VENV.strip("/").split("/")
    for count in range(1, len(above)):
        layer.folder("/".join(above[:count]))
    layer.installed(VENV.strip("/"), venv)
    layer.close()
