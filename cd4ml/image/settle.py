"""Runs during the build, in a step that changes files: gives what the step changed one fixed time.

Arguments: the time for all of them and the second in which the step began, both since 1970, and folders to look in (""
for the whole image). The same files then make the same layer whenever it is built. Standard library only.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def main(fixed: str, began: str, *roots: str) -> None:
    """Set the time of whatever is as new as the step; mounted folders are no part of the image."""
    times = (int(fixed), int(fixed))
    for root in roots:
        device = os.lstat(root or "/").st_dev
        for folder, folders, files in os.walk(root or "/"):
            for name in (*files, *folders, "."):
                with suppress(OSError):  # what the engine mounts may be neither read nor changed
                    found = os.lstat(os.path.join(folder, name))
                    if found.st_dev == device and found.st_mtime >= int(began):
                        os.utime(os.path.join(folder, name), times, follow_symlinks=False)
            folders[:] = [name for name in folders if _device(os.path.join(folder, name)) == device]


def _device(path: str) -> int | None:
    """Return the device of a path, None if it cannot be read."""
    with suppress(OSError):
        return os.lstat(path).st_dev
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
