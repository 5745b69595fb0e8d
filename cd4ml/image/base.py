"""The base image: looked up where it lives, pinned by digest, and kept from speaking for the image built on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Builder
from cd4ml.image.reference import Reference
from cd4ml.image.registry_api.transport import BrokenOffError, RegistryError


@dataclass(frozen=True, kw_only=True)
class Base:
    """The base that is built on.

    Attributes:
        reference: its name by digest, where the builder knows one.
        wanted: its name as the option says it.
        id: digest of its configuration.
        layers: see Image.
        unreachable: why its registry did not answer, so that a local copy was taken; None if it did.
    """

    reference: Reference
    wanted: str
    digest: str | None
    id: str
    labels: Mapping[str, str]
    unreachable: str | None = None
    layers: Sequence[str] = ()


def resolve(builder: Builder, wanted: Reference, progress: Callable[[str], None]) -> Base:
    """Return the base as its registry has it now; a digest is taken from the machine if it is there.

    Raises:
        UnavailableError: the registry refuses, or does not answer and there is no local copy.
    """
    unreachable = None
    found = builder.image(str(wanted)) if wanted.digest else None
    if found is None:
        progress(f"Pulling {wanted}")
        try:
            builder.pull(wanted)
        except UnavailableError as error:
            local = builder.image(str(wanted))
            if local is None or not _no_answer(error):
                raise _only_here(wanted, error) if local and local.digest is None else error
            found = local
            unreachable = error.message
        else:
            found = builder.image(str(wanted))
    if found is None:
        raise UnavailableError(f"{wanted} was pulled, but {builder.name} does not list it.")
    digest = wanted.digest or found.digest
    return Base(
        reference=replace(wanted, digest=digest) if digest else wanted,
        wanted=str(wanted),
        digest=digest,
        id=found.id,
        labels=found.labels,
        unreachable=unreachable,
        layers=found.layers,
    )


def _only_here(wanted: Reference, error: UnavailableError) -> UnavailableError:
    """Return what is said of a base that was built on this machine: nobody else could build on the same."""
    return UnavailableError(
        f"{wanted} was built on this machine, and its registry does not serve it: {error.message}",
        advice="Push it to a registry and name it there in base-image; one on this machine will do, such as "
        "127.0.0.1:5000/base:1.",
    )


def _no_answer(error: UnavailableError) -> bool:
    """Whether a registry said nothing of the image: what it does say (no such tag, no permission) no copy outweighs."""
    return isinstance(error, BrokenOffError) or (isinstance(error, RegistryError) and error.status >= 500)
