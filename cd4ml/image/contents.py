"""What is in a base: its Python, and what installs packages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cd4ml.errors import UnavailableError


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What `base_probe` finds in a base.

    Attributes:
        python: its minor version, e.g. `3.11`.
        installers: absolute paths of programs and packages that install packages.
        folders: mode, owner and group of every folder above them.
    """

    python: str
    installers: Sequence[str]
    folders: Mapping[str, Sequence[int]]


def probed(base: str, once: Callable[[str, Sequence[str]], str]) -> Contents:
    """Return what `base_probe` finds in a base.

    Args:
        once: runs a command in a container of the base and returns what it printed.

    Raises:
        UnavailableError: the base has no Python that could say it.
    """
    program = Path(__file__).with_name("base_probe.py").read_text(encoding="utf-8")
    said = once(base, ["python3", "-I", "-B", "-c", program])
    try:
        found = json.loads(said)
        return Contents(python=str(found["python"]), installers=found["installers"], folders=found["folders"])
    except (ValueError, LookupError, TypeError) as error:
        raise UnavailableError(f"{base} does not say which Python it has: {said[-300:]!r}") from error
