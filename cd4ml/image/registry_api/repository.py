"""A repository of a registry: its manifests and blobs, every one of them held to its digest."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from cd4ml.errors import UnavailableError
from cd4ml.image.reference import Reference, repository_of
from cd4ml.image.registry_api.authorization import Authorization
from cd4ml.image.registry_api.credentials import credentials_for
from cd4ml.image.registry_api.manifests import ACCEPTED, INDEX, Descriptor, Manifest, digest_of, read_manifest
from cd4ml.image.registry_api.transport import (
    Answer,
    BrokenOffError,
    RegistryError,
    Request,
    opened,
    origin,
    reading,
    retried,
)

_HUB: Final = "docker.io"
_HUB_HOST: Final = "registry-1.docker.io"
_LARGEST_MANIFEST: Final = 4_000_000  # as registries have it
_PART: Final = 1 << 20


class Sent(StrEnum):
    """How a blob came to be in a repository."""

    THERE = "there"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


class Repository:
    """One repository, and whoever this machine is to it."""

    def __init__(self, reference: Reference, environ: Mapping[str, str]) -> None:
        self.host, _, self.path = repository_of(reference.name).partition("/")
        scheme = "http" if reference.loopback else "https"
        self._root = f"{scheme}://{_HUB_HOST if self.host == _HUB else self.host}"
        self._authorization = Authorization(credentials_for(self.host, self.path, environ))

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of a tag or a digest.

        Raises:
            RegistryError: there is none.
            UnavailableError: the registry cannot be reached, or serves something else.
        """
        accept = {"Accept": ", ".join(ACCEPTED)}

        def asked() -> tuple[bytes, str | None]:
            with self._sent("GET", f"manifests/{name}", headers=accept) as answer:
                return answer.read(_LARGEST_MANIFEST + 1), answer.headers.get_content_type()

        data, kind = retried(asked)
        called = f"{self.host}/{self.path}:{name}"
        if len(data) > _LARGEST_MANIFEST:
            raise UnavailableError(f"{called}: the manifest is larger than {_LARGEST_MANIFEST:,} bytes.")
        if name.startswith("sha256:") and digest_of(data) != name:
            raise UnavailableError(f"{called}: the registry serves a manifest with another digest.")
        return read_manifest(data, kind, called)

    def blob(self, blob: Descriptor, target: Path) -> None:
        """Fetch a blob to a file, which is there afterwards as a whole or not at all.

        Raises:
            UnavailableError: it cannot be had, or is not what its digest says.
        """
        retried(lambda: self._fetch(blob, target))

    def send(self, blob: Descriptor, source: Path, others: Sequence[str] = ()) -> Sent:
        """Make sure that a blob is in the repository.

        Args:
            others: repositories of the same registry that may have it.

        Raises:
            UnavailableError: the registry does not take it.
        """
        if self.has(blob):
            return Sent.THERE
        for other in others:
            if other != self.path and retried(partial(self._mount, blob, other)):
                return Sent.MOUNTED
        retried(lambda: self._upload(blob, source))
        return Sent.UPLOADED

    def has(self, blob: Descriptor) -> bool:
        """Whether the repository has a blob."""

        def asked() -> bool:
            with self._sent("HEAD", f"blobs/{blob.digest}"):
                return True

        try:
            return retried(asked)
        except RegistryError as error:
            if error.status == 404:
                return False
            raise

    def put(self, manifest: bytes, media_type: str, name: str) -> str:
        """Store a manifest under a tag or its digest, and return its digest.

        Raises:
            UnavailableError: the registry does not take it, or says that it got something else.
        """
        digest = digest_of(manifest)

        def asked() -> str:
            kind = {"Content-Type": media_type}
            with self._sent("PUT", f"manifests/{name}", headers=kind, body=manifest, write=True) as answer:
                return str(answer.headers.get("Docker-Content-Digest") or digest)

        said = retried(asked)
        if said != digest:
            raise UnavailableError(
                f"{self.host}/{self.path}:{name}: the registry stored a manifest with another digest."
            )
        return digest

    def referrers(self, digest: str) -> Manifest | None:
        """Return the list of what refers to a manifest, None if the registry keeps no such lists.

        Raises:
            UnavailableError: the registry cannot be reached, or serves something else.
        """

        def asked() -> bytes:
            with self._sent("GET", f"referrers/{digest}", headers={"Accept": INDEX}) as answer:
                return answer.read(_LARGEST_MANIFEST + 1)

        try:
            data = retried(asked)
        except RegistryError as error:
            if error.status in (404, 405):
                return None
            raise
        return read_manifest(data, INDEX, f"{self.host}/{self.path}: what refers to {digest}")

    def _fetch(self, blob: Descriptor, target: Path) -> None:
        """Fetch a blob once."""
        with self._sent("GET", f"blobs/{blob.digest}") as answer, _whole(target) as file:
            hashed, size = hashlib.sha256(), 0
            with file.open("wb") as stream:
                while size <= blob.size and (part := answer.read(_PART)):
                    stream.write(part)
                    hashed.update(part)
                    size += len(part)
            if size < blob.size:
                raise BrokenOffError(f"{self.host}/{self.path}: the registry's answer breaks off: {blob.digest}.")
            if size > blob.size or f"sha256:{hashed.hexdigest()}" != blob.digest:
                raise UnavailableError(f"{self.host}/{self.path}: the registry serves another blob than {blob.digest}.")

    def _mount(self, blob: Descriptor, other: str) -> bool:
        """Take a blob over from another repository; whether the registry has done so."""
        query = urlencode({"mount": blob.digest, "from": other})
        try:
            with self._sent("POST", f"blobs/uploads/?{query}", write=True, also=other) as answer:
                return answer.status == 201
        except RegistryError as error:
            # Some registries do not know how, and some do not let this account read there: then it is sent.
            if error.status in (400, 401, 403, 404, 405):
                return False
            raise

    def _upload(self, blob: Descriptor, source: Path) -> None:
        """Send a blob, as a whole."""
        with self._sent("POST", "blobs/uploads/", write=True) as answer:
            place = urljoin(f"{self._root}/", str(answer.headers.get("Location") or ""))
        separator = "&" if urlsplit(place).query else "?"
        address = f"{place}{separator}{urlencode({'digest': blob.digest})}"
        with self._sent("PUT", address, body=source, write=True):
            pass

    @contextmanager
    def _sent(
        self,
        method: str,
        place: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Path | None = None,
        write: bool = False,
        also: str | None = None,
    ) -> Iterator[Answer]:
        """Send a request, and prove who asks if that is demanded."""
        address = place if place.startswith(("http:", "https:")) else f"{self._root}/v2/{self.path}/{place}"
        scopes = [f"repository:{self.path}:{'pull,push' if write else 'pull'}"]
        scopes += [f"repository:{also}:pull"] if also else []
        # Where an upload goes on may be another host: who asks is none of its business.
        own = origin(address) == origin(self._root)
        known = self._authorization.header(scopes) if own else None
        request = Request(method=method, address=address, headers=headers or {}, body=body, authorization=known)
        try:
            answer = opened(request)
        except RegistryError as error:
            # Nor has the storage that a blob's address leads to any right to ask for a password.
            asks = error.status == 401 and own and origin(error.address) == origin(self._root)
            if not asks or not self._authorization.answer(error, scopes):
                raise
            answer = opened(replace(request, authorization=self._authorization.header(scopes)))
        with reading(answer):
            yield answer


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a file beside a target, which takes its place if the block does not raise."""
    handle, name = tempfile.mkstemp(prefix=".partial-", dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
