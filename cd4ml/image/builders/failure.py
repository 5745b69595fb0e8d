"""A build that failed: what the failing step said, and what to do about it."""

from __future__ import annotations

import re
from typing import Final

_FAILED: Final = re.compile(r"^#(\d+) ERROR: ", re.MULTILINE)
_CLOCK: Final = re.compile(r"\d+\.\d+ ")
_COMMAND: Final = re.compile(r"Error: (?:error )?building at STEP |(?:ERROR: )?failed to solve|executor failed running")
_SAID: Final = 1500


class BuildFailed(Exception):
    """The builder worked, and the build did not; the message is what the failing step said."""

    @property
    def advice(self) -> str:
        """What to do, by what was said."""
        said = str(self)
        if re.search(r"no matching distribution|could not find a version|--only-binary", said, re.IGNORECASE):
            return "The model's requirements must have wheels for the base's Python; change the pins or the base."
        if re.search(r"permission denied|read-only file system", said, re.IGNORECASE):
            return "A file of the base could not be changed, though the build runs as root; choose another base-image."
        if re.search(r"unable to locate package|has no installation candidate", said, re.IGNORECASE):
            return "Look up the names in system-packages: the base's distribution does not have them."
        return "The message is what the failing step said; the whole log is the engine's."


def failing_step(log: str) -> str:
    """Return the end of what the step said in which a build failed, in one line.

    BuildKit numbers every line by its step and says at the end which one failed; buildah names the command last.
    """
    lines = log.splitlines()
    failed = _FAILED.findall(log)
    said = [line.partition(" ")[2] for line in lines if failed and line.startswith(f"#{failed[-1]} ")]
    words = [_CLOCK.sub("", line) for line in said if _CLOCK.match(line)]
    words = words or [line for line in lines if not _COMMAND.match(line)] or lines
    return " ".join(" ".join(words).split())[-_SAID:]
