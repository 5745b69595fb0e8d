"""What is attached to an image in its registry: manifests that name it as their subject.

A registry of version 1.1 of the distribution specification lists them itself (the referrers API). For all others the
list is an index under the tag `sha256-<digest>`, which whoever attaches something keeps up to date.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.image.registry_api.manifests import INDEX, MANIFEST, Descriptor, Manifest, digest_of
from cd4ml.image.registry_api.repository import Repository
from cd4ml.image.registry_api.transport import RegistryError

_EMPTY: Final = b"{}"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_TRIES: Final = 5


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A document to attach.

    Attributes:
        media_type: of the document, which is the artifact's type as well.
    """

    media_type: str
    content: bytes = field(repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)


def attach(repository: Repository, digest: str, artifacts: Sequence[Artifact]) -> list[str]:
    """Attach documents to an image that is in the repository, and return the digests of their manifests.

    What is attached already is not attached twice. Afterwards each is listed where its readers look, and is served as
    it was sent.

    Raises:
        UnavailableError: the registry does not take one, does not serve it, or the list cannot be kept.
    """
    image = repository.manifest(digest)
    subject = Descriptor(media_type=image.media_type, digest=image.digest, size=len(image.data))
    sent = [_sent(repository, subject, artifact) for artifact in artifacts]
    _list(repository, subject, sent)
    for item, artifact in zip(sent, artifacts, strict=True):
        if content(repository, item["digest"]) != artifact.content:
            raise UnavailableError(f"{_named(repository)}@{item['digest']}: the registry serves another document.")
    return [str(item["digest"]) for item in sent]


def attached(repository: Repository, digest: str) -> list[str]:
    """Return the digests of everything that is attached to an image, by either kind of list.

    Raises:
        UnavailableError: the registry cannot be reached, or a list cannot be read.
    """
    lists = (repository.referrers(digest), _tagged(repository, digest))
    return list(dict.fromkeys(item.digest for found in lists if found is not None for item in found.manifests))


def documents(repository: Repository, digest: str, media_type: str) -> Iterator[bytes]:
    """Yield what is attached to an image as one document of a type; others attach other things.

    Raises:
        UnavailableError: the registry cannot be reached, or serves something else than it lists.
    """
    for one in attached(repository, digest):
        layers = repository.manifest(one).layers
        if len(layers) == 1 and layers[0].media_type == media_type:
            yield content(repository, one)


def content(repository: Repository, digest: str) -> bytes:
    """Return the document of something attached.

    Raises:
        UnavailableError: it cannot be had, or is not one document.
    """
    manifest = repository.manifest(digest)
    if len(manifest.layers) != 1:
        raise UnavailableError(f"{_named(repository)}@{digest} is not one document.")
    with TemporaryDirectory(prefix="cd4ml-attached-") as scratch:
        target = Path(scratch) / "document"
        repository.blob(manifest.layers[0], target)
        return target.read_bytes()


def _sent(repository: Repository, subject: Descriptor, artifact: Artifact) -> dict[str, Any]:
    """Send one document with its manifest, and return the manifest's entry for lists."""
    empty = _blob(repository, _EMPTY, _EMPTY_TYPE)
    layer = _blob(repository, artifact.content, artifact.media_type)
    # In the configuration's entry too: some registries and readers know the type from there alone.
    config = {**empty.document(), "artifactType": artifact.media_type}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact.media_type,
        "config": config,
        "layers": [layer.document()],
        "subject": subject.document(),
        "annotations": dict(artifact.annotations),
    }
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    digest = repository.put(data, MANIFEST, digest_of(data))
    entry = Descriptor(media_type=MANIFEST, digest=digest, size=len(data)).document()
    return {**entry, "artifactType": artifact.media_type, "annotations": dict(artifact.annotations)}


def _blob(repository: Repository, data: bytes, media_type: str) -> Descriptor:
    """Make sure that the repository has some bytes."""
    blob = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
    with TemporaryDirectory(prefix="cd4ml-attached-") as scratch:
        source = Path(scratch) / "blob"
        source.write_bytes(data)
        repository.send(blob, source)
    return blob


def _list(repository: Repository, subject: Descriptor, entries: Sequence[Mapping[str, Any]]) -> None:
    """See to it that every entry is listed: by the registry itself, or else under the tag."""
    own = repository.referrers(subject.digest)
    if own is not None and _lacking(own, entries) == []:
        return
    for _ in range(_TRIES):
        found = _tagged(repository, subject.digest)
        lacking = _lacking(found, entries)
        if not lacking:
            return
        # Somebody else may do the same at this moment: whose list is overwritten adds to the other's.
        _write(repository, subject.digest, found, lacking)
    raise UnavailableError(
        f"{_named(repository)}:{_tag(subject.digest)} cannot be kept: others write it as well.",
        advice="Run the stage again.",
    )


def _lacking(found: Manifest | None, entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the entries that a list does not have."""
    known = {item.digest for item in found.manifests} if found is not None else set()
    return [entry for entry in entries if entry["digest"] not in known]


def _tagged(repository: Repository, digest: str) -> Manifest | None:
    """Return the list under the tag, None if there is none."""
    try:
        found = repository.manifest(_tag(digest))
    except RegistryError as error:
        if error.status == 404:
            return None
        raise
    if found.config is not None:
        raise UnavailableError(
            f"{_named(repository)}:{_tag(digest)} is an image; this tag lists what is attached to {digest}.",
            advice="Delete that tag.",
        )
    return found


def _write(repository: Repository, digest: str, found: Manifest | None, more: Sequence[Mapping[str, Any]]) -> None:
    """Write the list anew, with everything that it has already."""
    before = json.loads(found.data)["manifests"] if found is not None else []
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*before, *more]}
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    repository.put(data, INDEX, _tag(digest))


def _named(repository: Repository) -> str:
    """Return a repository's name for messages."""
    return f"{repository.host}/{repository.path}"


def _tag(digest: str) -> str:
    """Return the tag that lists what is attached to a digest."""
    return digest.replace(":", "-", 1)
