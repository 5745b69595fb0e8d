"""The base image: looked up where it lives, pinned by digest, and kept from speaking for the image built on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Builder
from cd4ml.image.reference import Reference
from cd4ml.report import Check, Status

# Labels that say what an image is; on a base they say what the base is.
# https://github.com/opencontainers/image-spec/blob/main/annotations.md, label-schema.org, and Red Hat's containers.
_DESCRIBING: Final = ("io.cd4ml.", "org.opencontainers.image.", "org.label-schema.", "io.k8s.", "com.redhat.component")


@dataclass(frozen=True, kw_only=True)
class Base:
    """The base that is built on.

    Attributes:
        reference: its name by digest, where the builder knows one.
        wanted: its name as the option says it.
        id: digest of its configuration.
        unreachable: why its registry did not answer, so that a local copy was taken; None if it did.
    """

    reference: Reference
    wanted: str
    digest: str | None
    id: str
    labels: Mapping[str, str]
    unreachable: str | None = None

    def details(self) -> dict[str, Any]:
        """Return the base for the report."""
        source = "registry" if self.unreachable is None else "local copy"
        return {"reference": self.wanted, "digest": self.digest, "id": self.id, "source": source}

    def check(self) -> Check:
        """Return what is known of the base, and whether it is certain to be the newest of its tag."""
        name = self.digest or self.id
        message = f"{self.wanted} is {name}."
        if self.unreachable is not None:
            message = (
                f"The registry of {self.wanted} could not be queried, so the local copy {name} was used; the tag may "
                f"mean a newer image by now. {self.unreachable}"
            )
        return Check(id="base-image", status=Status.PASSED, message=message, value=name)


def resolve(builder: Builder, wanted: Reference, progress: Callable[[str], None]) -> Base:
    """Return the base as its registry has it now; a digest is taken from the machine if it is there.

    Raises:
        UnavailableError: the registry does not answer and there is no local copy.
    """
    unreachable = None
    found = builder.image(str(wanted)) if wanted.digest else None
    if found is None:
        progress(f"pulling {wanted}")
        try:
            builder.pull(wanted)
        except UnavailableError as error:
            unreachable = error.message
            found = builder.image(str(wanted))
            if found is None:
                raise
        else:
            found = builder.image(str(wanted))
    if found is None:
        raise UnavailableError(f"{wanted} was pulled, and {builder.name} does not have it.")
    digest = wanted.digest or found.digest
    return Base(
        reference=replace(wanted, digest=digest) if digest else wanted,
        wanted=str(wanted),
        digest=digest,
        id=found.id,
        labels=found.labels,
        unreachable=unreachable,
    )


def contents(builder: Builder, base: Reference) -> dict[str, Any]:
    """Return what `base_probe` finds in the base: its Python, and what installs packages.

    Raises:
        UnavailableError: the base has no Python that could say it.
    """
    program = Path(__file__).with_name("base_probe.py").read_text(encoding="utf-8")
    said = builder.once(str(base), ["python3", "-I", "-B", "-c", program])
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise UnavailableError(f"{base} does not say which Python it has: {said[-300:]!r}") from error
    return found


def own_labels(labels: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """Return an image's labels, and empty ones for those of the base that describe the base.

    A Dockerfile cannot take a label away; one without a dot (`version`, `maintainer`) describes an image as well.
    """
    inherited = {key: "" for key in base if key.startswith(_DESCRIBING) or "." not in key}
    return inherited | dict(labels)
