"""Which builder is taken: the one that was named, or the first that answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.builders import AUTO, BUILDERS, load
from cd4ml.image.builders.builder import Builder

_WITHOUT: Final = "Take a base-image that has them, or build with docker, podman or buildah."


def detect(wanted: str, environ: Mapping[str, str], *, system_packages: bool = False) -> Builder:
    """Return the builder of that name, or for `auto` the first that answers, in the order of BUILDERS.

    Args:
        system_packages: whether it must be able to install packages of the base's distribution.

    Raises:
        OptionsError: the one that was named is not able to.
        UnavailableError: none answers; the message says why, one by one.
    """
    names, problems = list(BUILDERS), []
    for name in names if wanted == AUTO else (wanted,):
        try:
            builder = load(name).find(environ)
        except UnavailableError as error:
            problems.append(f"{name}: {error.message}")
            continue
        if builder.installs_system_packages or not system_packages:
            return builder
        if wanted != AUTO:
            raise OptionsError(f"system-packages: the engine {name} installs none", advice=_WITHOUT)
        problems.append(f"{name}: installs no system-packages")
    raise UnavailableError(
        f"No container engine answers ({'; '.join(problems)}).",
        advice="Start or install docker, podman or buildah, or bubblewrap for the engine oci, which needs no other.",
    )
