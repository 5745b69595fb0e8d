"""An OCI image layout: a registry's content as files, for machines without network.

https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.registry_api.manifests import Descriptor, Manifest, digest_of, read_manifest

_MARKER: Final = "oci-layout"
_LARGEST: Final = 64 << 20
_LARGEST_MANIFEST: Final = 4_000_000


class Layout:
    """A layout: every file in it is held to its digest."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder.

        Raises:
            OptionsError: it is no layout.
        """
        self._folder = folder
        self._subjects: dict[str, str | None] = {}
        if not (folder / _MARKER).is_file() or not (folder / "index.json").is_file():
            raise OptionsError(
                f"{folder} is not an OCI image layout (a folder with {_MARKER} and index.json)",
                advice="Make one, e.g. with `oras copy --recursive --to-oci-layout <image> <folder>`.",
            )

    def images(self) -> Iterator[tuple[str, str]]:
        """Yield digest and name of each image: what the index lists and what is attached to nothing."""
        for entry in self._entries:
            digest = str(entry.get("digest"))
            if self._subject(digest) is None and not _is_list_of_attached(entry):
                yield digest, _name(entry)

    def manifest(self, digest: str) -> Manifest:
        """Return a manifest.

        Raises:
            UnavailableError: it is not there, or is another one.
        """
        return read_manifest(self._bytes(digest, _LARGEST_MANIFEST), None, f"{self._folder}: {digest}")

    def content(self, blob: Descriptor) -> bytes:
        """Return a blob.

        Raises:
            UnavailableError: it is not there, or is another one.
        """
        return self._bytes(blob.digest, _LARGEST)

    def attached(self, digest: str) -> list[str]:
        """Return what is attached to a digest: manifests that name it as their subject, wherever they are listed."""
        listed = [str(entry.get("digest")) for entry in self._entries]
        tag = digest.replace(":", "-", 1)
        for entry in self._entries:
            if _name(entry).rpartition(":")[2] == tag:
                listed += [one.digest for one in self.manifest(str(entry.get("digest"))).manifests]
        return [one for one in dict.fromkeys(listed) if self._subject(one) == digest]

    @cached_property
    def _entries(self) -> list[dict[str, Any]]:
        """What the index lists."""
        path = self._folder / "index.json"
        try:
            entries = json.loads(path.read_bytes()[:_LARGEST_MANIFEST])["manifests"]
            return [dict(entry) for entry in entries]
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise UnavailableError(f"{path} cannot be read: {error}.") from error

    def _subject(self, digest: str) -> str | None:
        """Return what a manifest is attached to, None if it is attached to nothing; each is read once for that."""
        if digest not in self._subjects:
            self._subjects[digest] = self._read_subject(digest)
        return self._subjects[digest]

    def _read_subject(self, digest: str) -> str | None:
        """See _subject."""
        try:
            found = json.loads(self.manifest(digest).data).get("subject")
            return str(found["digest"]) if found else None
        except (LookupError, TypeError) as error:
            raise UnavailableError(f"{self._folder}: {digest} names its subject in no known form.") from error

    def _bytes(self, digest: str, most: int) -> bytes:
        """Return a file by its digest."""
        algorithm, _, name = digest.partition(":")
        if algorithm != "sha256" or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise UnavailableError(f"{self._folder}: {digest[:100]!r} is not a SHA-256 digest.")
        path = self._folder / "blobs" / algorithm / name
        try:
            with path.open("rb") as stream:
                data = stream.read(most + 1)
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}.") from error
        if len(data) > most:
            raise UnavailableError(f"{path} is larger than {most:,} bytes.")
        if digest_of(data) != digest:
            raise UnavailableError(f"{path} does not hold what its name says: it was changed.")
        return data


def _name(entry: dict[str, Any]) -> str:
    """Return what the index calls an entry, empty if it does not."""
    found = entry.get("annotations")
    return str(found.get("org.opencontainers.image.ref.name", "")) if isinstance(found, dict) else ""


def _is_list_of_attached(entry: dict[str, Any]) -> bool:
    """Whether an entry is the list of what is attached to another, as registries without the referrers API keep it."""
    return _name(entry).rpartition(":")[2].startswith("sha256-")
