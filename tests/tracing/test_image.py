"""What an image says of itself and what is attached to it, from an OCI layout and from a registry."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cd4ml.digests import file_sha256
from cd4ml.evidence.about import About
from cd4ml.evidence.bundles import BUNDLE_TYPE
from cd4ml.evidence.dsse import signed_bundle
from cd4ml.evidence.keys import read_private_key
from cd4ml.evidence.provenance import provenance
from cd4ml.evidence.result import result_statement
from cd4ml.evidence.statement import Resource, Statement
from cd4ml.image.reference import parse
from cd4ml.image.referrers import Artifact, attach
from cd4ml.image.registry_api.manifests import CONFIG, INDEX, MANIFEST, Descriptor, digest_of
from cd4ml.image.registry_api.repository import Repository
from cd4ml.report.reading import read_file
from cd4ml.tracing.statements import repository
from tests.evidence import keys
from tests.gitops.conftest import MODEL
from tests.image.registries import registry
from tests.tracing.conftest import BASE, LOCK, Delivered, labels, looked, values


class Layout:
    """An OCI layout that is written by hand, as the specification says."""

    def __init__(self, folder: Path) -> None:
        """Make an empty one."""
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Write a blob and return its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def list(self, entry: dict[str, Any], name: str = "") -> None:
        """List an entry in the index."""
        more = {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}
        self.entries.append({**entry, **more})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries}
        (self.folder / "index.json").write_text(json.dumps(index))

    def image(self, said: dict[str, str]) -> dict[str, Any]:
        """Add an image with labels, and return its descriptor."""
        config = self.blob(json.dumps({"os": "linux", "config": {"Labels": said}}).encode(), CONFIG)
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
        entry = self.blob(json.dumps(document).encode(), MANIFEST)
        self.list(entry, "credit:latest")
        return entry

    def attach(self, subject: dict[str, Any], content: bytes, *, tag: bool = False) -> dict[str, Any]:
        """Attach a document: listed by itself, or in the list that registries without the referrers API keep."""
        empty = self.blob(b"{}", "application/vnd.oci.empty.v1+json")
        layer = self.blob(content, BUNDLE_TYPE)
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [layer], "subject": subject}
        entry = self.blob(json.dumps(document).encode(), MANIFEST)
        if tag:
            listed = self.blob(json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(), INDEX)
            self.list(listed, str(subject["digest"]).replace(":", "-"))
        else:
            self.list(entry)
        return layer


def statements(digest: str, commit: str, model: str = MODEL) -> Sequence[Statement]:
    """Return provenance and bill of materials of an image."""
    image = Resource(name="credit", digest={"sha256": digest.removeprefix("sha256:")})
    parts = [
        Resource(name="model", digest={"sha256": model}),
        Resource(name="requirements.txt", digest={"sha256": LOCK}),
        Resource(name="base", digest={"sha256": BASE}),
        Resource(name="source", uri="git+https://example.invalid/credit", digest={"gitCommit": commit}),
    ]
    bill = {"bomFormat": "CycloneDX", "components": [{"type": "library", "name": name} for name in "abc"]}
    return (
        provenance(image, parameters={}, dependencies=parts, environ={}),
        Statement(subjects=(image,), predicate_type="https://cyclonedx.org/bom", predicate=bill),
    )


def signed(statement: Statement, pair: keys.Pair) -> bytes:
    """Return a statement as a bundle."""
    return signed_bundle(statement, read_private_key(pair.private.read_bytes(), None, name="key"))


@pytest.mark.parametrize("tag", [False, True])
def test_layout__tells_without_network(delivered: Delivered, tag: bool) -> None:
    """A layout gives labels and signed statements: model, commit, lock, base, the repository and number of packages."""
    layout, pair = Layout(delivered.folder / "layout"), keys.pair(delivered.folder)
    image = layout.image(labels(delivered.commit))
    for statement in statements(image["digest"], delivered.commit):
        layout.attach(image, signed(statement, pair), tag=tag)

    story = delivered.trace(
        image["digest"], "--layout", "layout", "--public-key", str(pair.public), "--reports", "none", code=3
    )

    assert story["contradictions"] == [] and looked(story, "layout") == "read"
    assert values(story, "model", "sha256") == [MODEL] and values(story, "code", "commit") == [delivered.commit]
    assert values(story, "dependencies", "packages (CycloneDX)") == ["3"]
    assert values(story, "dependencies", "lock of the image") == [f"sha256:{LOCK}"]
    assert values(story, "image", "base") == [f"sha256:{BASE}"]
    assert values(story, "code", "repository") == ["https://example.invalid/credit"]
    assert {one["signature"] for one in story["documents"]} == {"signed, and verified by public-key"}


def test_repository__in_one_spelling() -> None:
    """An address with a user or an ending is no other repository than the one that the label names."""
    written = ("git+https://token:***@h.invalid/o/r.git", "https://h.invalid/o/r", "https://***@h.invalid/o/r/")

    assert {repository(one) for one in written} == {"https://h.invalid/o/r"} and repository("") is None


def test_layout__label_and_provenance_disagree(delivered: Delivered) -> None:
    """A provenance that names another model than the label is a contradiction."""
    layout, pair = Layout(delivered.folder / "layout"), keys.pair(delivered.folder)
    image = layout.image(labels(delivered.commit))
    layout.attach(image, signed(statements(image["digest"], delivered.commit, model="9" * 64)[0], pair))

    story = delivered.trace(image["digest"], "--layout", "layout", code=1)

    assert set(values(story, "model", "sha256")) == {MODEL, "9" * 64}
    assert story["documents"][0]["signature"].endswith("not verified here")


def test_layout__what_another_key_has_signed_is_not_believed(delivered: Delivered) -> None:
    """With a public key, nothing of a bundle that another key has signed is told as a fact, and it is named."""
    (delivered.folder / "other").mkdir()
    layout, pair = Layout(delivered.folder / "layout"), keys.pair(delivered.folder)
    image = layout.image(labels(delivered.commit))
    layout.attach(
        image, signed(statements(image["digest"], delivered.commit)[0], keys.pair(delivered.folder / "other"))
    )

    story = delivered.trace(image["digest"], "--layout", "layout", "--public-key", str(pair.public), code=1)

    assert "the signature is not valid" in str(story["contradictions"])
    assert values(story, "code", "repository") == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"dsseEnvelope": {"payload": "%"}}', b'{"_type": "x"}'])
def test_layout__damaged_documents_are_named(delivered: Delivered, content: bytes) -> None:
    """What is attached and cannot be read could say otherwise: it is named, with exit code 1."""
    layout = Layout(delivered.folder / "layout")
    image = layout.image(labels(delivered.commit))
    layout.attach(image, content)

    story = delivered.trace(image["digest"], "--layout", "layout", code=1)

    assert "cannot be read as a statement" in str(story["contradictions"])


def test_layout__about_another_image(delivered: Delivered) -> None:
    """A statement about another image that somebody has attached to this one is named and not believed."""
    layout, pair = Layout(delivered.folder / "layout"), keys.pair(delivered.folder)
    image = layout.image(labels(delivered.commit))
    layout.attach(image, signed(statements(f"sha256:{'8' * 64}", delivered.commit)[0], pair))

    assert "8" * 64 in str(delivered.trace(image["digest"], "--layout", "layout", code=1)["contradictions"])


def test_layout__changed_blob(delivered: Delivered) -> None:
    """A layout whose files are not what their names say cannot be read."""
    layout = Layout(delivered.folder / "layout")
    image = layout.image(labels(delivered.commit))
    path = delivered.folder / "layout" / "blobs" / "sha256" / image["digest"][7:]
    path.write_bytes(path.read_bytes() + b" ")

    story = delivered.trace(image["digest"], "--layout", "layout", code=3)

    assert "it was changed" in next(one["message"] for one in story["sources"] if one["name"] == "layout")


def test_documents_beside_the_reports(delivered: Delivered) -> None:
    """What build-image wrote beside its report is read, held to its digest there, and missed where it is gone."""
    built = json.loads((delivered.folder / "reports" / "build-image.json").read_text())
    statement = statements(built["outputs"]["image"].partition("@")[2], delivered.commit)[0].payload
    path = delivered.folder / "reports" / "build-image" / "provenance.intoto.json"
    path.parent.mkdir()
    path.write_bytes(statement)
    files = {f"build-image/{path.name}": hashlib.sha256(statement).hexdigest(), "build-image/gone.json": "0" * 64}
    delivered.report("build-image", lambda document: document["details"].update(evidence={"files": files}))

    story = delivered.trace(delivered.commit)
    assert values(story, "code", "repository") == ["https://example.invalid/credit"]
    assert ["missing"] == [one["kind"] for one in story["documents"] if one["place"].endswith("gone.json")]

    path.write_bytes(statement.replace(b"example.invalid", b"another.invalid"))
    assert "not the file that build-image wrote" in str(delivered.trace(delivered.commit, code=1)["contradictions"])


def test_signed_report__changed_afterwards(delivered: Delivered) -> None:
    """The bundle beside a report tells of it; once the report is another one than was signed, that is said."""
    path = delivered.folder / "reports" / "evaluate-model.json"
    published = read_file(path, path.stem)
    now = datetime.datetime.now(datetime.UTC)
    statement = result_statement(published, of=About.MODEL, at=now, report=file_sha256(path))
    path.with_suffix(".sigstore.json").write_bytes(signed(statement, keys.pair(delivered.folder)))

    (document,) = [one for one in delivered.trace(MODEL)["documents"] if one["kind"] == "test result"]
    assert document["note"] == "PASSED: 1 passed, 0 did not"

    delivered.report("evaluate-model", lambda one: one["checks"][0].update(value=0.99))
    assert "states another report" in str(delivered.trace(MODEL, code=1)["contradictions"])


def test_registry__asked_only_online(delivered: Delivered, tmp_path: Path) -> None:
    """With --remote the image's registry tells the same, by tag too; one that does not answer is named."""
    pair = keys.pair(delivered.folder)
    with registry(tmp_path / "registry") as host:
        place = Repository(parse(f"{host}/team/credit", "image"), {})
        config = json.dumps({"os": "linux", "config": {"Labels": labels(delivered.commit)}}).encode()
        blob = Descriptor(media_type=CONFIG, digest=digest_of(config), size=len(config))
        (tmp_path / "blob").write_bytes(config)
        place.send(blob, tmp_path / "blob")
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob.document(), "layers": []}
        digest = place.put(json.dumps(document).encode(), MANIFEST, "v1")
        bundles = [signed(statement, pair) for statement in statements(digest, delivered.commit)]
        attach(place, digest, [Artifact(media_type=BUNDLE_TYPE, content=bundle) for bundle in bundles])

        story = delivered.trace(f"{host}/team/credit:v1", "--remote")

    assert looked(story, "image-registry") == "read" and values(story, "image", "digest") == [digest]
    assert values(story, "dependencies", "packages (CycloneDX)") == ["3"] and len(story["documents"]) == 2
