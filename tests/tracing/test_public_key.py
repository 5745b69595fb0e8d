"""`cd4ml trace --public-key`: what the key has not signed is a problem, and nothing of it is told."""

from __future__ import annotations

import base64
import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.digests import bytes_sha256, file_sha256
from cd4ml.evidence.bundles import BUNDLE_TYPE, bundle_path
from cd4ml.evidence.result import result_statement
from cd4ml.evidence.statement import PAYLOAD_TYPE
from cd4ml.report.reading import read_file
from cd4ml.stages import about
from tests.evidence import keys
from tests.gitops.conftest import IMAGE
from tests.tracing.conftest import DIGEST, Delivered, labels, values
from tests.tracing.test_image import Layout, signed, statements

BILL = json.dumps({"bomFormat": "CycloneDX", "components": [{"type": "library", "name": "a"}]}).encode()


def sign_reports(delivered: Delivered, pair: keys.Pair) -> None:
    """Sign every report, as the stages do."""
    for path in (delivered.folder / "reports").glob("*.json"):
        if not path.name.endswith(".sigstore.json"):
            now, of = datetime.datetime.now(datetime.UTC), about(path.stem)
            statement = result_statement(read_file(path, path.stem), of=of, at=now, report=file_sha256(path))
            bundle_path(path).write_bytes(signed(statement, pair))


def forged(statement: bytes) -> bytes:
    """Return a bundle that names no signer, and whose signature is none."""
    envelope = {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": "AAAA"}],
    }
    return json.dumps({"mediaType": BUNDLE_TYPE, "verificationMaterial": {}, "dsseEnvelope": envelope}).encode()


def test_nothing_signed__nothing_told(delivered: Delivered) -> None:
    """Of reports that nobody has signed each is a problem, and none is told: neither its verdict nor its digests."""
    public = keys.pair(delivered.folder).public

    story = delivered.trace(IMAGE, "--public-key", str(public), code=1)

    names = {path.name for path in (delivered.folder / "reports").glob("*.json")}
    problems = " ".join(story["contradictions"])
    assert names and all(f"{name} is not signed" in problems for name in names)
    assert story["verdicts"] == [] and values(story, "dependencies", "lock of the image") == []
    assert all("json" not in by for fact in story["facts"] for saying in fact["sayings"] for by in saying["by"])


def test_everything_signed__is_told(delivered: Delivered) -> None:
    """A run whose reports are signed is told in full, with the plain bill of materials that a signed report names."""
    pair, bill = keys.pair(delivered.folder), delivered.folder / "reports" / "build-image" / "sbom.cyclonedx.json"
    bill.parent.mkdir()
    bill.write_bytes(BILL)
    named = {"build-image/sbom.cyclonedx.json": bytes_sha256(BILL)}
    delivered.report("build-image", lambda document: document["details"].update(sbom=named))
    sign_reports(delivered, pair)
    options = ("--public-key", str(pair.public))

    story = delivered.trace(DIGEST, *options)

    assert {one["stage"] for one in story["verdicts"]} >= {"score-model", "evaluate-model", "build-image"}
    assert values(story, "dependencies", "packages (CycloneDX)") == ["1"]

    bill.write_bytes(BILL.replace(b'"a"', b'"b"'))
    story = delivered.trace(DIGEST, *options, code=1)
    assert values(story, "dependencies", "packages (CycloneDX)") == []


def test_one_report_changed__is_not_told(delivered: Delivered) -> None:
    """A report that was changed after it was signed is a problem, and its verdict is left out; the others are told."""
    pair = keys.pair(delivered.folder)
    sign_reports(delivered, pair)
    delivered.report("evaluate-model", lambda one: one["checks"][0].update(value=0.99))

    story = delivered.trace(DIGEST, "--public-key", str(pair.public), code=1)

    assert "evaluate-model.json is not signed" in str(story["contradictions"])
    assert "evaluate-model" not in {one["stage"] for one in story["verdicts"]}
    assert "build-image" in {one["stage"] for one in story["verdicts"]}


@pytest.mark.parametrize(
    ("name", "written"),
    [("provenance.sigstore.json", forged), ("provenance.intoto.json", bytes), ("sbom.cyclonedx.json", lambda _: BILL)],
)
def test_document_that_is_not_signed__is_not_told(
    delivered: Delivered, name: str, written: Callable[[bytes], bytes]
) -> None:
    """A forged bundle, a plain statement and a stray bill of materials are problems, and what they say is no fact."""
    pair, path = keys.pair(delivered.folder), delivered.folder / "reports" / "build-image" / name
    sign_reports(delivered, pair)
    path.parent.mkdir()
    path.write_bytes(written(statements(DIGEST, delivered.commit)[0].payload))

    story = delivered.trace(DIGEST, "--public-key", str(pair.public), code=1)

    assert any(name in one for one in story["contradictions"])
    assert values(story, "code", "repository") == values(story, "image", "built by") == []
    assert values(story, "dependencies", "packages (CycloneDX)") == []


@pytest.mark.parametrize("attached", ["nothing", "forged", "plain", "of-another-key", "about-another-image"])
def test_labels__count_where_the_image_is_signed(delivered: Delivered, attached: str) -> None:
    """Labels of an image that the key has signed nothing about are not told, whatever else is attached."""
    shutil.rmtree(delivered.folder / "reports")
    layout, pair = Layout(delivered.folder / "layout"), keys.pair(delivered.folder)
    (delivered.folder / "other").mkdir()
    image = layout.image(labels(delivered.commit))
    statement, other = (statements(one, delivered.commit)[0] for one in (image["digest"], f"sha256:{'8' * 64}"))
    contents = {
        "forged": forged(statement.payload),
        "plain": statement.payload,
        "of-another-key": signed(statement, keys.pair(delivered.folder / "other")),
        "about-another-image": signed(other, pair),
    }
    if attached in contents:
        layout.attach(image, contents[attached])

    options = ("--layout", "layout", "--public-key", str(pair.public))
    story = delivered.trace(image["digest"], *options, code=1)

    assert "nothing that public-key has signed is about the image" in str(story["contradictions"])
    assert {(fact["topic"], fact["name"]) for fact in story["facts"]} == {("image", "digest")}


@pytest.mark.parametrize(("text", "code"), [("not a key", 2), (None, 3)])
def test_key_that_is_none__is_refused(delivered: Delivered, tmp_path: Path, text: Any, code: int) -> None:
    """A file that is no public key, or is not there, ends the command before anything is told, signed or not."""
    if text:
        (tmp_path / "bad.pub").write_text(text)

    run = delivered.command("trace", DIGEST, "--public-key", "bad.pub")

    assert (run.code, run.stdout) == (code, "") and "public-key" in run.stderr
