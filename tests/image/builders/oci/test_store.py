"""Images on disk: the same archive is the same layer, and what is not there as a whole is not there."""

from __future__ import annotations

import gzip
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.oci.builder import _config, _json, moment
from cd4ml.image.builders.oci.store import Store, key_of, place
from cd4ml.image.reference import parse
from cd4ml.image.registry_api.manifests import CONFIG, MANIFEST, Descriptor, Manifest, read_manifest


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    found = Store(tmp_path / "store")
    found.make()
    return found


def image(store: Store, folder: Path, text: str = "x") -> Manifest:
    """Keep an image of one layer."""
    (folder / "a.tar").write_text(text)
    config = b'{"config": {"User": "1"}}'
    about = Descriptor(media_type=CONFIG, digest=store.keep(config), size=len(config))
    layer = store.compress(folder / "a.tar").descriptor
    document = {"mediaType": MANIFEST, "config": about.document(), "layers": [layer.document()]}
    return read_manifest(_json(document), MANIFEST, "x")


def test_the_same_archive_is_the_same_layer(store: Store, tmp_path: Path) -> None:
    """Neither the time nor the name of a file is in the layer that is made of it; its content can be had back."""
    (tmp_path / "a.tar").write_text("x" * 100_000)
    (tmp_path / "b.tar").write_text("x" * 100_000)
    os.utime(tmp_path / "b.tar", (1, 1))
    one, other = store.compress(tmp_path / "a.tar"), store.compress(tmp_path / "b.tar")
    assert one == other and gzip.decompress(store.blob(one.digest).read_bytes()) == (tmp_path / "a.tar").read_bytes()


def test_an_image_is_found_by_its_names_while_all_of_it_is_here(store: Store, tmp_path: Path) -> None:
    """A tag is `latest` by default, Docker Hub has one name, and an image that lacks a layer is none."""
    manifest = image(store, tmp_path)
    store.name(key_of(parse("python", "x")), manifest, manifest.digest)
    found = store.image(key_of(parse("docker.io/library/python:latest", "x")))
    assert found is not None and found.settings == {"User": "1"} and found.served == manifest.digest
    assert store.image(key_of(parse("python:3", "x"))) is None
    store.blob(manifest.layers[0].digest).write_bytes(b"cut")
    assert store.image(key_of(parse("python", "x"))) is None


def test_a_blob_is_what_its_digest_says(store: Store, tmp_path: Path) -> None:
    """A blob of the right size and another content is not used, whichever it is, and is removed."""
    for part in range(3):
        manifest = image(store, tmp_path)
        store.name("a", manifest, None)
        assert manifest.config is not None and store.image("a") is not None
        path = store.blob((manifest.digest, manifest.config.digest, manifest.layers[0].digest)[part])
        path.write_bytes(b"!" * path.stat().st_size)
        assert store.image("a") is None and not path.exists()


def test_an_image_names_the_content_of_each_layer(store: Store, tmp_path: Path) -> None:
    """An image whose configuration says nothing of its layers, or of more than it has, is not unpacked."""
    store.name("a", image(store, tmp_path), None)
    found = store.image("a")
    assert found is not None
    digests = ["sha256:" + "0" * 64]
    assert [one.diff_id for one in store.files(replace(found, config={"rootfs": {"diff_ids": digests}}))] == digests
    for config in ({}, {"rootfs": {"diff_ids": digests * 2}}):
        with pytest.raises(UnavailableError, match="name different layers"):
            store.files(replace(found, config=config))


def test_what_nobody_names_goes_after_a_while(store: Store, tmp_path: Path) -> None:
    """Names of long ago and blobs that none means are removed; what is in use or new stays."""
    old, kept = image(store, tmp_path, "old"), image(store, tmp_path, "kept")
    store.name("old", old, None)
    store.name("kept", kept, None)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 40 * 86_400,) * 2)
    store.image("kept")
    new = store.keep(b"new")
    store.prune()
    assert store.image("old") is None and store.image("kept") is not None and store.blob(new).exists()
    assert not store.blob(old.layers[0].digest).exists()


def test_a_store_that_is_damaged_is_named(store: Store, tmp_path: Path) -> None:
    """A note that cannot be read says which file it is."""
    store.name("a", image(store, tmp_path), None)
    (note,) = (tmp_path / "store" / "names").iterdir()
    note.write_text("{")
    with pytest.raises(UnavailableError, match=note.name):
        store.image("a")


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    """Where nothing was built, looking for a builder leaves nothing behind."""
    found = Store(place({"XDG_CACHE_HOME": str(tmp_path / "cache")}))
    assert found.image("a") is None and not (tmp_path / "cache").exists()


BASE = {
    "architecture": "arm64",
    "os": "linux",
    "variant": "v8",
    "config": {
        "User": "1001",
        "Env": ["PATH=/base/bin", "WEB_CONCURRENCY=4", "HOST=evil", "LANG=C.UTF-8"],
        "Cmd": ["sleep"],
        "Entrypoint": ["/bin/base"],
        "Healthcheck": {"Test": ["CMD", "curl"]},
        "Volumes": {"/app": {}},
        "ExposedPorts": {"9000/tcp": {}},
        "Labels": {"maintainer": "them", "com.example.team": "ours"},
        "OnBuild": ["RUN evil"],
        "Shell": ["/bin/false"],
        "StopSignal": "SIGKILL",
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:base"]},
    "history": [{"created_by": "base"}],
}


def test_a_base_says_nothing_of_how_the_gateway_runs() -> None:
    """Of a base's configuration the platform, the environment and labels of other uses stay, and nothing else."""
    found = _config(BASE, {"maintainer": "", "own": "1"}, {}, "2024-01-01T00:00:00Z")
    assert set(found) == {"architecture", "os", "variant", "created", "config", "rootfs", "history"}
    settings = found["config"]
    assert set(settings) == {"User", "ExposedPorts", "Env", "Entrypoint", "WorkingDir", "Labels", "StopSignal"}
    assert settings["User"] == "65532:65532" and settings["ExposedPorts"] == {"8080/tcp": {}}
    assert settings["Labels"] == {"com.example.team": "ours", "own": "1"} and settings["StopSignal"] == "SIGTERM"
    assert {"PATH=/opt/venv/bin:/base/bin", "HOST=0.0.0.0", "LANG=C.UTF-8"} <= set(settings["Env"])
    assert found["rootfs"]["diff_ids"] == ["sha256:base"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "1980-01-01T00:00:00Z"),
        ({"SOURCE_DATE_EPOCH": "1700000000"}, "2023-11-14T22:13:20Z"),
        ({"SOURCE_DATE_EPOCH": "soon"}, "1980-01-01T00:00:00Z"),
    ],
)
def test_the_time_of_an_image_is_no_clocks(given: dict[str, str], said: str) -> None:
    """The image is of the time that the job names, else of that of its files."""
    assert moment(given) == said
