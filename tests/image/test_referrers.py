"""What is attached to an image: found by whoever looks for it, in registries that list it and in those that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.reference import parse
from cd4ml.image.referrers import Artifact, attach, attached, content
from cd4ml.image.registry_api import transport
from cd4ml.image.registry_api.manifests import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, digest_of
from cd4ml.image.registry_api.repository import Repository
from tests.image.registries import gate, listing_registry, registry

BUNDLE = Artifact(
    media_type="application/vnd.dev.sigstore.bundle.v0.3+json", content=b'{"a":1}', annotations={"k": "v"}
)
OTHER = Artifact(media_type="application/spdx+json", content=b'{"b":2}')


@pytest.fixture(scope="module", params=["keeps-no-lists", "lists"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry of either kind."""
    if request.param == "lists":
        with listing_registry() as address:
            yield address
    else:
        with registry(tmp_path_factory.mktemp("registry")) as address:
            yield address


def send(place: Repository, data: bytes, media_type: str, folder: Path) -> dict[str, object]:
    """Put a blob into a repository."""
    blob = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
    (folder / "blob").write_bytes(data)
    place.send(blob, folder / "blob")
    return blob.document()


def image(host: str, folder: Path, name: str) -> tuple[Repository, str]:
    """Push an image that nobody has, and return its repository and digest."""
    place = Repository(parse(f"{host}/team/{name}", "image"), {})
    config = send(place, json.dumps({"os": "linux", "name": name}).encode(), CONFIG, folder)
    layer = send(place, name.encode(), LAYER, folder)
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return place, place.put(json.dumps(document).encode(), MANIFEST, "v1")


def test_what_is_attached_is_found(host: str, tmp_path: Path) -> None:
    """Documents that are attached one after the other are all listed, and each comes back byte by byte."""
    place, digest = image(host, tmp_path, "loans")
    assert attached(place, digest) == []
    first, second = attach(place, digest, [BUNDLE]), attach(place, digest, [OTHER])
    assert set(attached(place, digest)) == {*first, *second}
    assert [content(place, name) for name in (*first, *second)] == [BUNDLE.content, OTHER.content]
    manifest = json.loads(place.manifest(first[0]).data)
    assert manifest["subject"]["digest"] == digest and manifest["artifactType"] == BUNDLE.media_type
    assert manifest["annotations"] == {"k": "v"}


def test_attaching_again_adds_nothing(host: str, tmp_path: Path) -> None:
    """A second run with the same documents leaves the list as it is."""
    place, digest = image(host, tmp_path, "again")
    first = attach(place, digest, [BUNDLE, OTHER])
    assert attach(place, digest, [BUNDLE, OTHER]) == first
    assert len(attached(place, digest)) == 2


def test_the_list_of_others_is_kept(tmp_path: Path) -> None:
    """Where the list is a tag, what others have written into it stays as they wrote it."""
    with registry(tmp_path / "registry") as address:
        place, digest = image(address, tmp_path, "shared")
        others = {"mediaType": MANIFEST, "digest": digest, "size": 1, "annotations": {"theirs": "yes"}, "x": 1}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [others]}
        tag = digest.replace(":", "-")
        place.put(json.dumps(index).encode(), INDEX, tag)
        added = attach(place, digest, [BUNDLE])
        found = json.loads(place.manifest(tag).data)["manifests"]
        assert found[0] == others and [item["digest"] for item in found[1:]] == added
        assert found[1]["artifactType"] == BUNDLE.media_type


def test_a_tag_that_is_an_image_is_not_overwritten(tmp_path: Path) -> None:
    """An image under the tag of the list is somebody's, and is named instead of replaced."""
    with registry(tmp_path / "registry") as address:
        place, digest = image(address, tmp_path, "taken")
        taken = place.manifest("v1")
        tag = digest.replace(":", "-")
        place.put(taken.data, MANIFEST, tag)
        with pytest.raises(UnavailableError, match=f"{tag} is an image"):
            attach(place, digest, [BUNDLE])
        assert place.manifest(tag).data == taken.data


def test_a_registry_that_serves_something_else_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is attached is fetched back: a registry that changed it does not pass."""
    monkeypatch.setattr(transport, "_WAITS", ())
    with registry(tmp_path / "registry") as address:
        place, digest = image(address, tmp_path, "lies")
        attach(place, digest, [BUNDLE])
        with gate(address) as door:
            door.lies[f"/v2/team/lies/blobs/{digest_of(BUNDLE.content)}"] = b'{"a":2}'
            seen = Repository(parse(f"{door.host}/team/lies", "image"), {})
            with pytest.raises(UnavailableError, match="another blob"):
                attach(seen, digest, [BUNDLE])


def test_an_image_that_is_not_there_gets_nothing(host: str, tmp_path: Path) -> None:
    """Nothing is attached to a digest that the registry does not have."""
    place, _ = image(host, tmp_path, "gone")
    with pytest.raises(UnavailableError):
        attach(place, f"sha256:{'0' * 64}", [BUNDLE])
    assert attached(place, f"sha256:{'0' * 64}") == []
