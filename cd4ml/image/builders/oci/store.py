"""Images on this machine's disk: blobs by their digest, and names of manifests. What is there is there as a whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.oci.archives import LayerFile
from cd4ml.image.reference import Reference, repository_of
from cd4ml.image.registry_api.manifests import LAYER, Descriptor, Manifest, digest_of, read_manifest

_DAY: Final = 86_400
_DAYS_OF_A_NAME: Final = 30
_LEVEL: Final = 6
_PART: Final = 1 << 20


def place(environ: Mapping[str, str]) -> Path:
    """Return where images are kept: on a runner in its temporary folder, else in the user's cache."""
    if environ.get("RUNNER_TEMP"):
        return Path(environ["RUNNER_TEMP"]) / "cd4ml-cache" / "images"
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or tempfile.gettempdir()) / ".cache"
    return Path(base) / "cd4ml" / "images"


@dataclass(frozen=True, kw_only=True)
class StoredLayer:
    """A layer of our own, compressed: `diff_id` is the digest of what is in it."""

    digest: str
    size: int
    diff_id: str

    @property
    def descriptor(self) -> Descriptor:
        """What a manifest says of it."""
        return Descriptor(media_type=LAYER, digest=self.digest, size=self.size)


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image that is here: its manifest, its configuration, and by which digest a registry serves it, if any does."""

    manifest: Manifest
    config: Mapping[str, Any]
    served: str | None

    @property
    def id(self) -> str:
        """Digest of its configuration."""
        assert self.manifest.config is not None
        return self.manifest.config.digest

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it says of how it is to be run."""
        return self.config.get("config") or {}


def key_of(reference: Reference) -> str:
    """Return the name under which an image is found: by digest where it has one."""
    name = repository_of(reference.name)
    return f"{name}@{reference.digest}" if reference.digest else f"{name}:{reference.tag or 'latest'}"


def _state(path: Path) -> tuple[int, int]:
    """Return what changes whenever a file does."""
    state = path.stat()
    return state.st_ino, state.st_ctime_ns


class Store:
    """A folder of images."""

    def __init__(self, folder: Path) -> None:
        self._blobs, self._names = folder / "blobs", folder / "names"
        # Blobs whose content was found to be that of their digest, and the state of the file then.
        self._known: dict[str, tuple[int, int]] = {}

    def make(self) -> None:
        """Make the folder: looking for something does not."""
        for path in (self._blobs, self._names):
            path.mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob is here; it stays for another day. What is not what its digest says is removed."""
        path = self.blob(blob.digest)
        try:
            if self._known.get(blob.digest) != _state(path):
                with path.open("rb") as stream:
                    found = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
                if found != blob.digest:
                    path.unlink(missing_ok=True)
                    return False
            os.utime(path)
            self._known[blob.digest] = _state(path)
            return path.stat().st_size == blob.size
        except FileNotFoundError:
            return False

    def keep(self, data: bytes) -> str:
        """Keep some bytes, and return their digest."""
        digest = digest_of(data)
        with self._whole(self.blob(digest)) as stream:
            stream.write(data)
        return digest

    def compress(self, archive: Path) -> StoredLayer:
        """Keep an archive as a layer; the same archive makes the same one."""
        inside = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self._blobs, prefix=".partial-", delete=False) as target:
            try:
                with archive.open("rb") as source, gzip.GzipFile("", "wb", _LEVEL, target, mtime=0) as packed:
                    while part := source.read(_PART):
                        inside.update(part)
                        packed.write(part)
                target.flush()
                with open(target.name, "rb") as written:
                    digest = f"sha256:{hashlib.file_digest(written, 'sha256').hexdigest()}"
                size = os.path.getsize(target.name)
                os.replace(target.name, self.blob(digest))
            finally:
                Path(target.name).unlink(missing_ok=True)
        return StoredLayer(digest=digest, size=size, diff_id=f"sha256:{inside.hexdigest()}")

    def layer(self, key: str) -> StoredLayer | None:
        """Return a layer that was kept under a key, if it is still here."""
        known = self._read(f"layer {key}")
        if known is None:
            return None
        layer = StoredLayer(digest=str(known["digest"]), size=int(known["size"]), diff_id=str(known["diff_id"]))
        return layer if self.has(layer.descriptor) else None

    def keep_layer(self, key: str, layer: StoredLayer) -> None:
        """Keep a layer under a key."""
        self._write(f"layer {key}", {**asdict(layer), "blobs": [layer.digest]})

    def name(self, key: str, manifest: Manifest, served: str | None) -> None:
        """Give an image a name; its blobs must be here."""
        self.keep(manifest.data)
        assert manifest.config is not None
        blobs = [manifest.digest, manifest.config.digest, *(layer.digest for layer in manifest.layers)]
        self._write(key, {"manifest": manifest.digest, "served": served, "blobs": blobs})

    def image(self, key: str) -> StoredImage | None:
        """Return the image of a name; None if it is not here, or not as a whole."""
        known = self._read(key)
        if known is None:
            return None
        try:
            data = self.blob(known["manifest"]).read_bytes()
            if digest_of(data) != known["manifest"]:
                self.blob(known["manifest"]).unlink(missing_ok=True)
                return None
            manifest = read_manifest(data, None, key)
            parts = [part for part in (manifest.config, *manifest.layers) if part is not None]
            if not all(self.has(part) for part in parts):
                return None
            config = json.loads(self.blob(parts[0].digest).read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise UnavailableError(f"{key}: the copy in {self._blobs} cannot be read: {error}.") from error
        return StoredImage(manifest=manifest, config=config, served=known.get("served"))

    def files(self, image: StoredImage) -> list[LayerFile]:
        """Return an image's layers, each with the digest that the configuration gives for its content.

        Raises:
            UnavailableError: the configuration tells of others than the manifest.
        """
        layers = image.manifest.layers
        listed = (image.config.get("rootfs") or {}).get("diff_ids") or []
        if len(listed) != len(layers):
            raise UnavailableError(f"{image.id}: the image's manifest and its configuration name different layers.")
        return [
            LayerFile(path=self.blob(layer.digest), media_type=layer.media_type, diff_id=str(inside))
            for layer, inside in zip(layers, listed)
        ]

    def prune(self) -> None:
        """Forget names of long ago, and remove blobs that no name means and nobody has used for a day."""
        now, wanted = time.time(), set()
        for path in self._names.iterdir():
            if now - path.stat().st_mtime > _DAYS_OF_A_NAME * _DAY:
                path.unlink(missing_ok=True)
            elif path.suffix == ".json":
                wanted |= {str(blob).removeprefix("sha256:") for blob in self._load(path).get("blobs", ())}
        for path in self._blobs.iterdir():
            try:
                if path.name not in wanted and now - path.stat().st_mtime > _DAY:
                    path.unlink()
            except FileNotFoundError:  # somebody else has tidied up
                continue

    def _file(self, key: str) -> Path:
        return self._names / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def _read(self, key: str) -> dict[str, Any] | None:
        """Return what is noted under a name; the name stays for another month."""
        path = self._file(key)
        if not path.is_file():
            return None
        os.utime(path)
        return self._load(path)

    def _load(self, path: Path) -> dict[str, Any]:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            assert isinstance(document, dict)
            return document
        except (OSError, ValueError, AssertionError) as error:
            raise UnavailableError(f"{path} cannot be read: {error}.", advice="Remove it.") from error

    def _write(self, key: str, document: Mapping[str, Any]) -> None:
        with self._whole(self._file(key)) as stream:
            stream.write(json.dumps({"name": key, **document}).encode())

    @contextmanager
    def _whole(self, target: Path) -> Iterator[IO[bytes]]:
        """Write a file that takes its place as a whole."""
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".partial-", delete=False) as stream:
            try:
                yield stream
                stream.flush()
                shutil.move(stream.name, target)
            finally:
                Path(stream.name).unlink(missing_ok=True)
