"""Runs in the base image, on its Python, and says in one JSON document what a serving image does without.

`installers` are paths of programs and packages that install packages; `folders` are those that they are in, with mode,
owner and group. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig

PROGRAMS = re.compile(r"pip(x|env|[0-9.]*)|wheel[0-9.]*")
PACKAGES = re.compile(
    r"(pip|setuptools|wheel|pkg_resources|_distutils_hack)(-.*\.(dist|egg)-info)?|distutils-precedence\.pth"
)
BUNDLED = re.compile(r"ensurepip|python-wheels")


def matching(folder: str, names: re.Pattern[str]) -> list[str]:
    """Return the paths in a folder whose names match, with no symbolic link on the way to it."""
    real = os.path.realpath(folder)
    try:
        return [os.path.join(real, name) for name in os.listdir(real) if names.fullmatch(name)]
    except OSError:
        return []


def main() -> None:
    """Print the document."""
    programs = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    libraries = [path for path in sys.path if os.path.isdir(path)]
    found = {path for folder in programs if os.path.isabs(folder) for path in matching(folder, PROGRAMS)}
    found |= {path for folder in libraries for path in matching(folder, PACKAGES)}
    found |= {path for folder in (sysconfig.get_path("stdlib"), "/usr/share") for path in matching(folder, BUNDLED)}
    folders: dict[str, tuple[int, int, int]] = {}
    for path in found:
        while (path := os.path.dirname(path)) != "/":
            about = os.stat(path)
            folders[path] = (about.st_mode & 0o7777, about.st_uid, about.st_gid)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    print(json.dumps({"python": python, "installers": sorted(found), "folders": dict(sorted(folders.items()))}))


if __name__ == "__main__":
    main()
