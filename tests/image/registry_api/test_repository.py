"""The client of registries, against a real one: what is fetched and sent, how often, and what is refused."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.reference import parse
from cd4ml.image.registry_api import transport
from cd4ml.image.registry_api.manifests import CONFIG, LAYER, MANIFEST, Descriptor, Platform, chosen, digest_of
from cd4ml.image.registry_api.repository import Repository, Sent
from cd4ml.image.registry_api.transport import RegistryError
from tests.image.registries import PASSWORD, USER, Gate, gate


def repository(host: str, path: str = "team/loans", **environ: str) -> Repository:
    """Return a repository as a machine sees it that has nothing but these variables."""
    return Repository(parse(f"{host}/{path}", "image"), environ)


def blob(folder: Path, data: bytes = b"") -> tuple[Descriptor, Path]:
    """Write a blob that no registry has."""
    data = data or secrets.token_bytes(3_000_000)
    path = folder / secrets.token_hex(4)
    path.write_bytes(data)
    return Descriptor(media_type=LAYER, digest=digest_of(data), size=len(data)), path


def image(place: Repository, folder: Path) -> bytes:
    """Put the parts of an image into a repository and return its manifest."""
    parts = [blob(folder, b"{}"), blob(folder)]
    for descriptor, path in parts:
        place.send(descriptor, path)
    config, layer = ({**part.document(), "mediaType": kind} for (part, _), kind in zip(parts, (CONFIG, LAYER)))
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return json.dumps(document).encode()


@pytest.fixture
def login(tmp_path: Path, host: str) -> dict[str, str]:
    """The environment of somebody who has logged in everywhere on this machine, by `add`."""
    return {"DOCKER_CONFIG": str(tmp_path)}


def log_in(folder: Path, host: str, **entry: str) -> None:
    """Write docker's configuration."""
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))


def test_what_is_sent_is_fetched_again(host: str, tmp_path: Path) -> None:
    """A blob and a manifest come back byte by byte, by tag and by digest."""
    place = repository(host)
    manifest = image(place, tmp_path)
    digest = place.put(manifest, MANIFEST, "v1")
    assert place.manifest("v1").data == place.manifest(digest).data == manifest
    layer = place.manifest("v1").layers[0]
    place.blob(layer, tmp_path / "back")
    assert digest_of((tmp_path / "back").read_bytes()) == layer.digest


def test_a_blob_is_sent_once_and_taken_over_within_a_registry(host: str, tmp_path: Path) -> None:
    """What a repository has is not sent again, and what another one has is mounted instead of sent."""
    first, path = blob(tmp_path)
    with gate(host) as door:
        assert repository(door.host).send(first, path) is Sent.UPLOADED
        assert repository(door.host).send(first, path) is Sent.THERE
        # This registry has one store for all of its repositories.
        other = repository(door.host, "team/others")
        assert other.send(first, path, ["team/loans"]) in (Sent.THERE, Sent.MOUNTED)
        assert len(door.methods("PUT", "/blobs/uploads/")) == 1


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_who_has_logged_in_may_push(host: str, tmp_path: Path, login: dict[str, str], scheme: str) -> None:
    """User and password of docker's configuration answer a registry's demand, once or for a token."""
    with gate(host, scheme) as door:
        with pytest.raises(RegistryError, match="401"):
            repository(door.host).manifest("v1")
        log_in(tmp_path, door.host, username=USER, password=PASSWORD)
        place = repository(door.host, f"team/{scheme}", **login)
        place.put(image(place, tmp_path), MANIFEST, "v1")
        assert place.manifest("v1").media_type == MANIFEST
        # One token for reading and one for writing, however much is sent.
        assert len(door.tokens) == (2 if scheme == "bearer" else 0)


def test_a_token_that_has_ended_is_renewed(host: str, tmp_path: Path, login: dict[str, str]) -> None:
    """A registry that takes a token no longer is asked with a new one."""
    with gate(host, "bearer") as door:
        log_in(tmp_path, door.host, username=USER, password=PASSWORD)
        place = repository(door.host, "team/renewed", **login)
        place.put(image(place, tmp_path), MANIFEST, "v1")
        door.tokens.clear()
        assert place.manifest("v1").layers


def test_an_identity_token_is_exchanged(host: str, tmp_path: Path, login: dict[str, str]) -> None:
    """A token that stands for user and password is exchanged for one of the repository."""
    with gate(host, "bearer") as door:
        log_in(tmp_path, door.host, identitytoken="identity")
        place = repository(door.host, "team/identity", **login)
        place.put(image(place, tmp_path), MANIFEST, "v1")
        assert door.refreshed == len(door.tokens) == 2


def test_a_wrong_password_is_said_at_once(host: str, tmp_path: Path, login: dict[str, str]) -> None:
    """A registry that refuses a user is not asked again and again; the message says what to do."""
    with gate(host, "bearer") as door:
        log_in(tmp_path, door.host, username=USER, password="wrong")
        with pytest.raises(RegistryError) as caught:
            repository(door.host, **login).manifest("v1")
    assert caught.value.status == 401 and "docker login" in caught.value.advice and "wrong" not in str(caught.value)


def test_a_password_is_for_the_registry_alone(host: str, tmp_path: Path, login: dict[str, str]) -> None:
    """The storage that a registry's redirect leads to may demand a token from its own server: it gets no password."""
    descriptor, _ = blob(tmp_path)
    path = f"/v2/team/loans/blobs/{descriptor.digest}"
    with gate(host) as door, gate(host, "bearer") as storage:
        log_in(tmp_path, door.host, username=USER, password=PASSWORD)
        door.leads[path] = f"http://{storage.host}{path}"
        with pytest.raises(RegistryError, match="401"):
            repository(door.host, **login).blob(descriptor, tmp_path / "back")
        assert door.methods("GET", "/blobs/") == [path] and not storage.tokens


@pytest.fixture
def door(host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate that asks nothing, and a client that waits no longer than a test may."""
    monkeypatch.setattr(transport, "_WAITS", (0.01, 0.01, 0.01))
    with gate(host) as server:
        yield server


def test_a_registry_that_is_busy_is_asked_again(door: Gate, tmp_path: Path) -> None:
    """Three failures of the server in a row are waited out, at any step; the fourth ends the run."""
    place = repository(door.host, "team/busy")
    manifest = image(place, tmp_path)
    door.failing = 3
    place.put(manifest, MANIFEST, "v1")
    door.failing = 4
    with pytest.raises(RegistryError, match="503"):
        place.manifest("v1")


def test_a_blob_that_breaks_off_is_fetched_again(door: Gate, tmp_path: Path) -> None:
    """Half a blob is never taken for it: it is fetched again, and nothing of the attempt stays."""
    place = repository(door.host, "team/cut")
    descriptor, path = blob(tmp_path)
    place.send(descriptor, path)
    (tmp_path / "out").mkdir()
    door.cut = 2
    place.blob(descriptor, tmp_path / "out" / "back")
    assert (tmp_path / "out" / "back").read_bytes() == path.read_bytes()
    door.cut = 9
    with pytest.raises(UnavailableError):
        place.blob(descriptor, tmp_path / "out" / "never")
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["back"]


def test_what_is_not_its_digest_is_refused(door: Gate, tmp_path: Path) -> None:
    """A registry that serves other bytes under a digest is caught, for blobs and for manifests."""
    place = repository(door.host, "team/lies")
    descriptor, _ = blob(tmp_path)
    door.lies[f"/v2/team/lies/blobs/{descriptor.digest}"] = b"x" * descriptor.size
    with pytest.raises(UnavailableError, match="another blob"):
        place.blob(descriptor, tmp_path / "back")
    door.lies[f"/v2/team/lies/manifests/{descriptor.digest}"] = b"{}"
    with pytest.raises(UnavailableError, match="another digest"):
        place.manifest(descriptor.digest)


@pytest.mark.parametrize("said", [b"", b"[]", b"<html>", b'{"config": 1}', b'{"manifests": [{"digest": "sha256:x"}]}'])
def test_a_manifest_that_is_none_is_refused(door: Gate, said: bytes) -> None:
    """Whatever a registry answers, it is read or refused."""
    door.lies["/v2/team/odd/manifests/v1"] = said
    with pytest.raises(UnavailableError, match="no manifest"):
        repository(door.host, "team/odd").manifest("v1")


def test_a_registry_that_is_down_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens the message says so."""
    monkeypatch.setattr(transport, "_WAITS", ())
    with pytest.raises(UnavailableError, match="cannot be reached: .*refused"):
        repository("127.0.0.1:9").manifest("v1")


def test_plain_http_is_spoken_with_this_machine_alone() -> None:
    """Passwords and images go to other machines over https only."""
    with pytest.raises(UnavailableError, match="only https"):
        transport.opened(transport.Request(method="GET", address="http://registry.example/v2/"))


def test_the_image_of_a_list_is_the_platforms(door: Gate) -> None:
    """Of a list of images that of the platform is taken, attestations are none, and a missing one is named."""
    digests = {arch: f"sha256:{number:064x}" for number, arch in enumerate(("unknown", "amd64", "arm64"))}
    manifests = [
        {
            "mediaType": MANIFEST,
            "digest": digest,
            "size": 1,
            "platform": {"os": "unknown" if arch == "unknown" else "linux", "architecture": arch},
        }
        for arch, digest in digests.items()
    ]
    door.lies["/v2/team/list/manifests/v1"] = json.dumps({"manifests": manifests}).encode()
    listed = repository(door.host, "team/list").manifest("v1")
    assert chosen(listed, Platform(architecture="arm64"), "x").digest == digests["arm64"]
    with pytest.raises(UnavailableError, match="no image for linux/riscv64; it has linux/amd64, linux/arm64"):
        chosen(listed, Platform(architecture="riscv64"), "x")
