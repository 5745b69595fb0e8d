"""What an image says of itself, and what is attached to it: in its registry, or in an OCI layout on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol

from cd4ml.errors import Cd4mlError, UnavailableError
from cd4ml.image import referrers
from cd4ml.image.oci_layout import Layout
from cd4ml.image.reference import Reference, parse
from cd4ml.image.registry_api.manifests import Descriptor, Manifest, chosen, own_platform
from cd4ml.image.registry_api.repository import Repository
from cd4ml.report.trace import Document, Looked, Source
from cd4ml.tracing import labels
from cd4ml.tracing.records import Answer, Bundle, Record
from cd4ml.tracing.statements import Stated, read
from cd4ml.tracing.subject import Ids

if TYPE_CHECKING:
    from cd4ml.evidence.keys import PublicKey

LAYOUT: Final = "layout"
REGISTRY: Final = "image-registry"
_LARGEST: Final = 64 << 20


class Place(Protocol):
    """Where an image is."""

    def manifest(self, digest: str) -> Manifest:
        """Return a manifest by its digest."""

    def content(self, blob: Descriptor) -> bytes:
        """Return a blob."""

    def attached(self, digest: str) -> list[str]:
        """Return the digests of what is attached to an image."""


class Remote:
    """A repository of a registry."""

    def __init__(self, reference: Reference, environ: Mapping[str, str]) -> None:
        self._repository = Repository(reference, environ)

    def manifest(self, digest: str) -> Manifest:
        """See Place; a tag is taken as well."""
        return self._repository.manifest(digest)

    def content(self, blob: Descriptor) -> bytes:
        """See Place."""
        if blob.size > _LARGEST:
            raise UnavailableError(f"{blob.digest} is larger than {_LARGEST:,} bytes.")
        with TemporaryDirectory(prefix="cd4ml-trace-") as scratch:
            target = Path(scratch) / "blob"
            self._repository.blob(blob, target)
            return target.read_bytes()

    def attached(self, digest: str) -> list[str]:
        """See Place."""
        return referrers.attached(self._repository, digest)


def resolved(reference: str, environ: Mapping[str, str]) -> str:
    """Return the digest that a tag names in its registry.

    Raises:
        UnavailableError: the registry cannot be reached, or has no such tag.
    """
    found = parse(reference, "subject")
    return found.digest or Remote(found, environ).manifest(found.tag or "latest").digest


def in_registry(image: str, environ: Mapping[str, str], key: PublicKey | None) -> Answer:
    """Return what the registry has of an image.

    Args:
        image: by digest.
    """
    try:
        reference = parse(image, "image")
        place = Remote(reference, environ)
        bundle = _bundle(place, str(reference.digest), REGISTRY, key)
    except Cd4mlError as error:
        source = Source(name=REGISTRY, place=image, looked=Looked.UNREACHABLE, message=str(error))
        return Answer(source=source)
    return Answer(source=Source(name=REGISTRY, place=image, looked=Looked.READ), bundles=[bundle])


def in_layout(folder: Path, key: PublicKey | None) -> Answer:
    """Return what a layout has of each image in it."""
    try:
        place = Layout(folder)
        bundles = [_bundle(place, digest, LAYOUT, key, name) for digest, name in place.images()]
    except Cd4mlError as error:
        source = Source(name=LAYOUT, place=str(folder), looked=Looked.UNREACHABLE, message=str(error))
        return Answer(source=source)
    return Answer(source=Source(name=LAYOUT, place=str(folder), looked=Looked.READ), bundles=bundles)


def _bundle(place: Place, digest: str, source: str, key: PublicKey | None, name: str = "") -> Bundle:
    """Return what is known of an image at a place."""
    stated = [_document(place, one, key).held_to(key) for one in place.attached(digest)]
    by, problems = f"labels of the image ({source})", []
    if key is None or _vouched(digest, stated):
        label = labels.said(_labels(place, digest, name), by=by, image=digest)
    else:
        label = Record(by=f"the {source}", ids=Ids(image=digest))
        problems.append(f"nothing that public-key has signed is about the image {digest} ({source})")
    good = [one for one in stated if not one.stray(label.ids)]
    records: list[Record] = [label, *(one.record for one in good if one.record)]
    return Bundle(
        ids=Ids(image=digest, model=label.ids.model, version=label.ids.version, commit=label.ids.commit),
        told=f"the image {digest[:19]} ({source})",
        records=records,
        documents=[one.document for one in stated],
        problems=[*problems, *filter(None, (one.stray(label.ids) for one in stated))],
        notices=[] if stated else [f"nothing is attached to the image ({source})"],
    )


def _vouched(digest: str, stated: Sequence[Stated]) -> bool:
    """Whether the key has signed a statement about the image: its digest then binds its labels."""
    return any(one.verified and digest.removeprefix("sha256:") in one.about for one in stated)


def _labels(place: Place, digest: str, name: str) -> Mapping[str, Any]:
    """Return an image's labels; of an image for several machines those of this one's."""
    manifest = place.manifest(digest)
    if manifest.config is None:
        manifest = place.manifest(chosen(manifest, own_platform(), name or digest).digest)
    if manifest.config is None:
        raise UnavailableError(f"{name or digest} is not an image.")
    try:
        config = json.loads(place.content(manifest.config))
        found = (config.get("config") or {}).get("Labels") or {}
    except (ValueError, AttributeError, RecursionError) as error:
        raise UnavailableError(f"{name or digest}: its configuration cannot be read: {error}.") from error
    return found if isinstance(found, dict) else {}


def _document(place: Place, digest: str, key: PublicKey | None) -> Stated:
    """Return something that is attached."""
    try:
        manifest = place.manifest(digest)
        if len(manifest.layers) != 1:
            return Stated(document=Document(kind="artifact", place=digest, note=f"{len(manifest.layers)} parts"))
        return read(place.content(manifest.layers[0]), digest, key)
    except Cd4mlError as error:
        document = Document(kind="unreadable", place=digest)
        return Stated(document=document, problem=f"{digest}: {error.message}")
