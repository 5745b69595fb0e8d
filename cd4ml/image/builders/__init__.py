"""The programs that build, run and push images: each is a module of this folder, and a line of `BUILDERS`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from cd4ml.image.builders.builder import Builder

AUTO: Final = "auto"
# In the order in which `auto` tries them. A module is imported when it is asked for: build-image's options name them
# all, and are light.
BUILDERS: Final[dict[str, str]] = {
    "docker": "cd4ml.image.builders.docker",
    "podman": "cd4ml.image.builders.podman",
    "buildah": "cd4ml.image.builders.buildah",
    "oci": "cd4ml.image.builders.oci",
}


class BuilderModule(Protocol):
    """What a module of this folder offers."""

    def find(self, environ: Mapping[str, str]) -> Builder:
        """Return the builder that this machine has.

        Raises:
            UnavailableError: it has none that works; the message says why.
        """


def load(name: str) -> BuilderModule:
    """Import a builder's module."""
    return cast(BuilderModule, importlib.import_module(BUILDERS[name]))
