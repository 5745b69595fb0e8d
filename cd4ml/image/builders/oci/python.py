"""The Python of a base, and what in the base installs packages, read from its layers: nothing of it is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.image import base_probe
from cd4ml.image.builders.oci.archives import Entry, Tree
from cd4ml.image.contents import Contents

_SEARCH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME: Final = re.compile(r"python(3\.\d+)")


@dataclass(frozen=True, kw_only=True)
class Python:
    """Python 3 of a base.

    Attributes:
        program: where PATH finds it.
        real: the program itself.
        version: its minor version.
    """

    program: str
    real: str
    version: str

    @property
    def prefix(self) -> str:
        """The folder that it is installed in."""
        return self.real.rpartition("/")[0].rpartition("/")[0]


def python_of(tree: Tree, settings: Mapping[str, str], base: str) -> Python:
    """Return the Python that `python3` means in a base.

    Args:
        settings: the base's environment.

    Raises:
        UnavailableError: there is none.
    """
    for folder in settings.get("PATH", _SEARCH).split(":"):
        real = tree.real(f"{folder}/python3") if folder.startswith("/") else None
        name = _NAME.fullmatch(real.rpartition("/")[2]) if real else None
        if real and name:
            return Python(program=f"{folder}/python3", real=real, version=name[1])
    raise UnavailableError(f"{base} has no python3 on its PATH whose version its name says.")


def contents_of(tree: Tree, settings: Mapping[str, str], base: str) -> Contents:
    """Return what `base_probe` would find in a base.

    Raises:
        UnavailableError: it has no Python.
    """
    python = python_of(tree, settings, base)
    library = f"{python.prefix}/lib/python{python.version}"
    programs = [*settings.get("PATH", _SEARCH).split(":"), "/usr/local/bin", "/usr/bin"]
    packages = [library, f"{library}/lib-dynload", f"{library}/site-packages", f"{library}/dist-packages"]
    packages += [f"/usr/local/lib/python{python.version}/{kind}-packages" for kind in ("dist", "site")]
    packages += [f"{python.prefix}/lib/python3/dist-packages"]
    found = {path for folder in programs for path in _matching(tree, folder, base_probe.PROGRAMS)}
    found |= {path for folder in packages for path in _matching(tree, folder, base_probe.PACKAGES)}
    found |= {path for folder in (library, "/usr/share") for path in _matching(tree, folder, base_probe.BUNDLED)}
    folders: dict[str, tuple[int, int, int]] = {}
    for path in found:
        while path := path.rpartition("/")[0]:
            entry = tree.entry(path) or Entry()
            folders[path] = (entry.mode, entry.uid, entry.gid)
    return Contents(python=python.version, installers=sorted(found), folders=dict(sorted(folders.items())))


def _matching(tree: Tree, folder: str, names: re.Pattern[str]) -> Iterator[str]:
    """Yield the paths in a folder whose names match, with no symbolic link on the way to it."""
    real = tree.real(folder) if folder.startswith("/") else None
    if real is not None:
        yield from (f"{real}/{name}" for name in tree.names(real) if names.fullmatch(name))
