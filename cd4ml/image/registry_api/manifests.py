"""Manifests and what they name: read from a registry, which may say anything."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cd4ml.errors import UnavailableError

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
_LISTS: Final = frozenset({INDEX, _DOCKER_INDEX})
ACCEPTED: Final = (MANIFEST, INDEX, _DOCKER_MANIFEST, _DOCKER_INDEX)
# The same bytes by their names in the OCI's specification: a manifest names all of its parts in one language.
_OCI_NAMES: Final = {
    "application/vnd.docker.container.image.v1+json": CONFIG,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}")
_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What a manifest says of a blob or of another manifest: `media_type` in the OCI's words where it has some."""

    media_type: str
    digest: str
    size: int
    platform: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it as a manifest writes it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Operating system and processor that an image is for."""

    architecture: str
    os: str = "linux"

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest, its bytes as the registry serves them; of a list of manifests, `manifests` are the images."""

    data: bytes
    media_type: str
    config: Descriptor | None = None
    layers: Sequence[Descriptor] = ()
    manifests: Sequence[Descriptor] = ()

    @property
    def digest(self) -> str:
        """The manifest's own name."""
        return digest_of(self.data)


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def own_platform() -> Platform:
    """Return the platform of Linux on this machine's processor."""
    machine = platform.machine().lower()
    return Platform(architecture=_MACHINES.get(machine, machine))


def read_manifest(data: bytes, media_type: str | None, name: str) -> Manifest:
    """Read a manifest or a list of them.

    Args:
        media_type: as the registry named it, where the manifest does not do so itself.
        name: what messages call it.

    Raises:
        UnavailableError: it is neither.
    """
    try:
        document = json.loads(data)
        kind = str(document.get("mediaType") or media_type or "")
        if kind in _LISTS or (kind not in ACCEPTED and "manifests" in document):
            return Manifest(data=data, media_type=kind, manifests=[_descriptor(item) for item in document["manifests"]])
        config, layers = _descriptor(document["config"]), [_descriptor(item) for item in document["layers"]]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnavailableError(f"{name}: the registry serves no manifest of an image ({error}).") from error
    return Manifest(data=data, media_type=kind, config=config, layers=layers)


def _descriptor(document: Mapping[str, Any]) -> Descriptor:
    """Read a descriptor."""
    kind, digest = str(document["mediaType"]), str(document["digest"])
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:100]!r} is not a SHA-256 digest")
    size = int(document["size"])
    if size < 0:
        raise ValueError(f"{digest} has the size {size}")
    wanted = document.get("platform") or {}
    return Descriptor(media_type=_OCI_NAMES.get(kind, kind), digest=digest, size=size, platform=dict(wanted))


def chosen(listed: Manifest, wanted: Platform, name: str) -> Descriptor:
    """Return the image of a list that is for a platform: the first of its variants.

    Raises:
        UnavailableError: there is none; the message names those that there are.
    """
    offered = [item for item in listed.manifests if item.platform.get("os") not in (None, "unknown")]
    for item in offered:
        if (item.platform.get("os"), item.platform.get("architecture")) == (wanted.os, wanted.architecture):
            return item
    others = sorted({f"{item.platform.get('os')}/{item.platform.get('architecture')}" for item in offered})
    raise UnavailableError(f"{name} has no image for {wanted}; it has {', '.join(others)[:300] or 'none'}.")
