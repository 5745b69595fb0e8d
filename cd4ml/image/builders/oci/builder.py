"""The builder without an engine."""

from __future__ import annotations

import datetime
import io
import json
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.attended import attendant, executed, log_of, started, stopped
from cd4ml.image.builders.builder import Build, Container, Image
from cd4ml.image.builders.oci.archives import Tree, settings_of, unpack
from cd4ml.image.builders.oci.environment import environment_layer
from cd4ml.image.builders.oci.python import contents_of, python_of
from cd4ml.image.builders.oci.sandbox import ENVIRONMENT, Sandbox
from cd4ml.image.builders.oci.store import Store, StoredImage, StoredLayer, key_of
from cd4ml.image.contents import Contents
from cd4ml.image.labels import BASE
from cd4ml.image.layers import TIME
from cd4ml.image.layout import APP, ENTRYPOINT, PORT, USER, VENV, environment
from cd4ml.image.reference import Reference, parse
from cd4ml.image.registry_api.manifests import (
    CONFIG,
    MANIFEST,
    Descriptor,
    Manifest,
    chosen,
    own_platform,
    read_manifest,
)
from cd4ml.image.registry_api.repository import Repository

_SEARCH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class Oci:
    """Images as files: pulled, put together and pushed here, and started in a sandbox."""

    store: Store
    sandbox: Sandbox
    environ: Mapping[str, str] = field(repr=False)
    name: str = "oci"
    read_only_root: bool = True
    installs_system_packages: bool = False

    def image(self, reference: str) -> Image | None:
        """See Builder."""
        stored = self._stored(reference)
        if stored is None:
            return None
        return Image(
            id=stored.id,
            user=str(stored.settings.get("User") or ""),
            labels=dict(stored.settings.get("Labels") or {}),
            digest=stored.served,
            size=sum(layer.size for layer in stored.manifest.layers),
            layers=tuple((stored.config.get("rootfs") or {}).get("diff_ids") or ()),
        )

    def pull(self, reference: Reference) -> None:
        """See Builder."""
        self.store.make()
        place = Repository(reference, self.environ)
        manifest = place.manifest(reference.digest or reference.tag or "latest")
        served = manifest.digest
        if manifest.manifests:
            manifest = place.manifest(chosen(manifest, own_platform(), str(reference)).digest)
        if manifest.config is None:
            raise UnavailableError(f"{reference}: its registry serves a list in a list of images.")
        for blob in (manifest.config, *manifest.layers):
            if not self.store.has(blob):
                place.blob(blob, self.store.blob(blob.digest))
        by_digest = replace(reference, tag=None, digest=served)
        for name in {key_of(reference), key_of(by_digest), manifest.config.digest}:
            self.store.name(name, manifest, served)

    def contents(self, image: str) -> Contents:
        """See Builder."""
        stored = self._required(image)
        return contents_of(Tree(self.store.files(stored)), settings_of(stored.config), image)

    def build(self, build: Build) -> None:
        """See Builder."""
        base = self._required(str(build.base))
        layers = self.store.files(base)
        tree = Tree(layers)
        settings = settings_of(base.config)
        python = python_of(tree, settings, str(build.base))
        machine = str(base.config.get("architecture") or own_platform().architecture)
        installed = environment_layer(build, layers, tree, python, machine, self.store, self.sandbox)
        removed, gateway, weights = (
            self.store.compress(build.context / f"{name}.tar") for name in ("removed", "gateway", "weights")
        )
        own = {"removed": removed, "environment": installed, "gateway": gateway, "weights": weights}
        config = _config(base.config, build.labels, own, moment(self.environ))
        manifest = self._manifest(base, config, list(own.values()))
        assert manifest.config is not None
        for name in (key_of(build.image), manifest.config.digest):
            self.store.name(name, manifest, None)
        self.store.prune()

    def start(self, image: str) -> Container:
        """See Builder."""
        stored = self._required(image)
        folder = Path(tempfile.mkdtemp(prefix="cd4ml-image-root-"))
        try:
            root = folder / "root"
            root.mkdir()
            unpack(self.store.files(stored), root)
            command = self.sandbox.command(root, attendant(), user=USER, settings=settings_of(stored.config))
            container = started(command, ENVIRONMENT, id=f"cd4ml-{secrets.token_hex(8)}")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return replace(container, folder=folder)

    def execute(self, container: Container, program: str, stdin: str, *, seconds: float) -> str:
        """See Builder."""
        return executed(container, program, stdin, seconds=seconds)

    def logs(self, container: Container) -> str:
        """See Builder."""
        return log_of(container)

    def stop(self, container: Container) -> None:
        """See Builder."""
        try:
            stopped(container)
        finally:
            if container.folder is not None:
                shutil.rmtree(container.folder, ignore_errors=True)

    def archive(self, image: str, path: Path) -> None:
        """See Builder."""
        stored = self._required(image)
        layers = [layer.digest.removeprefix("sha256:") for layer in stored.manifest.layers]
        listed = [{"Config": f"{stored.id}.json", "RepoTags": [image], "Layers": [f"{name}.tar.gz" for name in layers]}]
        with tarfile.open(path, "w") as archive:
            archive.add(self.store.blob(stored.id), f"{stored.id}.json")
            for name in dict.fromkeys(layers):
                archive.add(self.store.blob(name), f"{name}.tar.gz")
            data = json.dumps(listed).encode()
            entry = tarfile.TarInfo("manifest.json")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

    def push(self, image: Reference) -> str:
        """See Builder. Blobs go before what names them: a push that broke off has changed nothing, and can go on."""
        stored = self._required(str(image))
        place = Repository(image, self.environ)
        base = str((stored.settings.get("Labels") or {}).get(BASE) or "")
        other = Repository(parse(base, "base-image"), {}) if base else None
        others = [other.path] if other is not None and other.host == place.host else []
        assert stored.manifest.config is not None
        for blob in (*stored.manifest.layers, stored.manifest.config):
            place.send(blob, self.store.blob(blob.digest), others)
        digest = place.put(stored.manifest.data, MANIFEST, image.tag or stored.manifest.digest)
        self.store.name(key_of(image), stored.manifest, digest)
        return digest

    def _manifest(self, base: StoredImage, config: Mapping[str, Any], own: list[StoredLayer]) -> Manifest:
        """Return the manifest of the base's layers and ours."""
        data = _json(config)
        about = Descriptor(media_type=CONFIG, digest=self.store.keep(data), size=len(data))
        layers = [*base.manifest.layers, *(layer.descriptor for layer in own)]
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": about.document(),
            "layers": [layer.document() for layer in layers],
        }
        return read_manifest(_json(document), MANIFEST, "the image")

    def _stored(self, reference: str) -> StoredImage | None:
        """Return the image of a name or an id."""
        return self.store.image(reference if reference.startswith("sha256:") else key_of(parse(reference, "image")))

    def _required(self, reference: str) -> StoredImage:
        """Return an image that must be here."""
        stored = self._stored(reference)
        if stored is None:
            raise UnavailableError(f"{reference} is no longer in the cache of images.", advice="Run the stage again.")
        return stored


def moment(environ: Mapping[str, str]) -> str:
    """Return the time of the image: SOURCE_DATE_EPOCH, or that of its files.

    https://reproducible-builds.org/specs/source-date-epoch/
    """
    given = environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(given) if given.isdigit() and len(given) < 12 else TIME
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _config(
    base: Mapping[str, Any], labels: Mapping[str, str], own: Mapping[str, StoredLayer], created: str
) -> dict[str, Any]:
    """Return the image's configuration: of the base it takes the platform, the environment and labels of other uses.

    Its command, health check, ports, volumes and user are not the gateway's.
    """
    inherited = dict(settings_of(base))
    path = inherited.pop("PATH", _SEARCH)
    settings = {"PATH": f"{VENV}/bin:{path}", **inherited, **environment()}
    kept = {**((base.get("config") or {}).get("Labels") or {}), **labels}
    platform = {key: base[key] for key in ("architecture", "os", "variant", "os.version") if base.get(key)}
    history = [{"created": created, "created_by": f"cd4ml: {name}"} for name in own]
    return {
        **platform,
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {f"{PORT}/tcp": {}},
            "Env": [f"{name}={value}" for name, value in settings.items()],
            "Entrypoint": list(ENTRYPOINT),
            "WorkingDir": APP,
            "Labels": {key: value for key, value in kept.items() if value},
            "StopSignal": "SIGTERM",
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [*base["rootfs"]["diff_ids"], *(layer.diff_id for layer in own.values())],
        },
        "history": [*(base.get("history") or []), *history],
    }


def _json(document: Mapping[str, Any]) -> bytes:
    """Return a document as bytes that are always the same."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
