"""Statements are signed as the standards say: other programs verify them, and nothing that was changed verifies."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_public_key
from google.protobuf import json_format  # type: ignore[import-untyped]
from in_toto_attestation.v1.statement_pb2 import Statement as InToto  # type: ignore[import-untyped]
from securesystemslib.dsse import Envelope
from securesystemslib.signer._key import SSlibKey

from cd4ml.digests import manifest
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.evidence.dsse import signed_bundle, verified_bundle
from cd4ml.evidence.keys import PrivateKey, read_private_key, read_public_key
from cd4ml.evidence.model_signature import model_statement
from cd4ml.evidence.sign import find_signer
from cd4ml.evidence.signer import NobodySignsError
from cd4ml.evidence.statement import Resource, Statement, read_statement
from cd4ml.inputs.values import as_values
from cd4ml.inputs.vocabulary import RunOptions
from tests.evidence.keys import key_of, pair, pem

STATEMENT = Statement(
    subjects=(Resource(name="registry.example/loans", digest={"sha256": "a" * 64}),),
    predicate_type="https://example.com/predicate/v1",
    predicate={"b": [1, 2], "a": "ü"},
)
KINDS = ("ecdsa", "ed25519")


def private_key(kind: str = "ecdsa") -> PrivateKey:
    """Return a new key as the code reads it."""
    return read_private_key(pem(key_of(kind)), None, name="key")


@pytest.mark.parametrize("kind", KINDS)
def test_another_library_verifies_the_envelope(kind: str) -> None:
    """The reference library of DSSE verifies an envelope and reads the same statement."""
    key = private_key(kind)
    envelope = json.loads(signed_bundle(STATEMENT, key))["dsseEnvelope"]
    for item in envelope["signatures"]:
        item["keyid"] = "1"
    read = Envelope.from_dict(envelope)
    public = SSlibKey.from_crypto(load_pem_public_key(key.public.pem), keyid="1")
    assert list(read.verify([public], 1)) == ["1"]
    found = json_format.Parse(read.payload, InToto())
    assert (found.type, found.subject[0].digest["sha256"]) == ("https://in-toto.io/Statement/v1", "a" * 64)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_is_read_again(kind: str) -> None:
    """A bundle gives its statement back to the key that signed it; signing again gives the same bytes."""
    key = private_key(kind)
    bundle = signed_bundle(STATEMENT, key)
    assert verified_bundle(bundle, read_public_key(key.public.pem, name="key")) == STATEMENT
    assert signed_bundle(STATEMENT, key) == bundle


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_byte_does_not_verify(kind: str) -> None:
    """No byte of the payload, its type or the signature can be changed, whichever it is."""
    key = private_key(kind)
    document = json.loads(signed_bundle(STATEMENT, key))
    envelope = document["dsseEnvelope"]
    places = [(envelope, "payload"), (envelope["signatures"][0], "sig")]
    for holder, name in places:
        before = holder[name]
        data = bytearray(base64.b64decode(before))
        for place in range(0, len(data), 7):
            data[place] ^= 1
            holder[name] = base64.b64encode(bytes(data)).decode()
            with pytest.raises(OptionsError, match="signature is not valid"):
                verified_bundle(json.dumps(document).encode(), key.public)
            data[place] ^= 1
        holder[name] = before
    envelope["payloadType"] = "application/json"
    with pytest.raises(OptionsError, match="not an in-toto statement"):
        verified_bundle(json.dumps(document).encode(), key.public)


def test_another_key_does_not_verify() -> None:
    """A signature of another key, or none at all, verifies nothing."""
    bundle = signed_bundle(STATEMENT, private_key())
    with pytest.raises(OptionsError, match="another key"):
        verified_bundle(bundle, private_key().public)
    with pytest.raises(OptionsError, match="another key"):
        verified_bundle(bundle, private_key("ed25519").public)
    document = json.loads(bundle)
    document["dsseEnvelope"]["signatures"] = []
    with pytest.raises(OptionsError, match="signature is not valid"):
        verified_bundle(json.dumps(document).encode(), private_key().public)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"mediaType": 1}', '{"mediaType": "application/json"}', "[" * 100_000]
)
def test_what_is_no_bundle_is_refused(text: str) -> None:
    """Whatever a registry serves in the place of a bundle ends in one clear refusal."""
    with pytest.raises(OptionsError, match="not a Sigstore bundle"):
        verified_bundle(text.encode(), private_key().public)


@pytest.mark.parametrize(
    "change",
    [{"_type": "https://in-toto.io/Statement/v0.1"}, {"subject": []}, {"subject": [{"name": "x", "digest": {}}]}],
)
def test_what_is_no_statement_is_refused(change: dict[str, object]) -> None:
    """A signed text counts only if it is a statement of this version that names what it is about."""
    document = {**json.loads(STATEMENT.payload), **change}
    with pytest.raises(OptionsError, match="not an in-toto statement"):
        read_statement(json.dumps(document).encode())


def test_the_reference_tool_verifies_the_model(tmp_path: Path) -> None:
    """`model_signing verify key` accepts the signature of a model, and refuses it once a file was changed."""
    model = tmp_path / "model"
    (model / "a").mkdir(parents=True)
    for name in ("MLmodel", "a/b", "a-b", ".gitignore"):
        (model / name).write_text(name)
    keys = pair(tmp_path)
    key = read_private_key(keys.private.read_bytes(), None, name="key")
    signature = tmp_path / "model.sig"
    signature.write_bytes(signed_bundle(model_statement("model", manifest(model)), key))
    # A copy that MLflow has downloaded holds its note, which is no part of the model.
    (model / "registered_model_meta").write_text("model_name: loans\nmodel_version: '3'\n")
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(model), "--signature", str(signature)]
    command += ["--public_key", str(keys.public)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (model / "a" / "b").write_text("changed")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_the_models_digest_is_the_reference_tools(tmp_path: Path) -> None:
    """The statement about a model is the one that the specification's own tool makes, whatever the order of names."""
    from model_signing import hashing
    from model_signing._signing.signing import Payload

    for name in ("a/b", "a-b", "a.b", "a/c/d", "Z"):
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(name)
    theirs = json.loads(json_format.MessageToJson(Payload(hashing.hash(tmp_path / "model")).statement.pb))
    ours = json.loads(model_statement("model", manifest(tmp_path / "model")).payload)
    assert ours["subject"] == theirs["subject"]
    assert ours["predicate"]["resources"] == theirs["predicate"]["resources"]
    shutil.rmtree(tmp_path / "model")


def test_a_key_with_a_password(tmp_path: Path) -> None:
    """An encrypted key is opened by the password in SIGNING_PASSWORD, and by no other."""
    path = tmp_path / "key.pem"
    path.write_bytes(pem(key_of("ecdsa"), "correct horse"))
    signer = find_signer(str(path), keyless=False, environ={"SIGNING_PASSWORD": "correct horse"})
    assert signer is not None and signer.sign(STATEMENT)
    for environ, reason in (({}, "set SIGNING_PASSWORD"), ({"SIGNING_PASSWORD": "wrong"}, "password is wrong")):
        with pytest.raises(OptionsError, match=reason):
            find_signer(str(path), keyless=False, environ=environ)


def test_a_key_in_a_variable() -> None:
    """`env://NAME` takes the key from a variable; one that is not set signs nothing."""
    environ = {"SIGNING_KEY_PEM": pem(key_of("ed25519")).decode()}
    assert find_signer("env://SIGNING_KEY_PEM", keyless=False, environ=environ) is not None
    with pytest.raises(UnavailableError, match="SIGNING_KEY_PEM is not set"):
        find_signer("env://SIGNING_KEY_PEM", keyless=False, environ={})


@pytest.mark.parametrize(("key", "keyless"), [("env://SIGNING_KEY_PEM", False), (None, True)])
def test_who_is_not_there_needs_no_library(monkeypatch: pytest.MonkeyPatch, key: str | None, keyless: bool) -> None:
    """A fork's run, which nobody signs, goes on in an environment that has nothing to sign with."""
    for name in ("key_signer", "keyless"):
        monkeypatch.setitem(sys.modules, f"cd4ml.evidence.{name}", None)
    with pytest.raises(NobodySignsError):
        find_signer(key, keyless=keyless, environ={})


def _pkcs8(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """Return a key of another kind as it is written."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a private key"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n", "cosign's own format"),
        (_pkcs8(rsa.generate_private_key(65537, 2048)), "unsupported kind of key"),
        (_pkcs8(ec.generate_private_key(ec.SECP521R1())), "unsupported kind of key"),
    ],
    ids=["empty", "damaged", "cosign", "rsa", "p521"],
)
def test_other_keys_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    """A key that others could not verify, or that cannot be read, is refused, and never repeated."""
    (tmp_path / "key.pem").write_text(text)
    with pytest.raises(OptionsError, match=reason) as refused:
        find_signer(str(tmp_path / "key.pem"), keyless=False, environ={})
    assert "AAAA" not in str(refused.value)


def _written(key: str) -> dict[str, str]:
    """Return the ways in which a key is handed over instead of its place."""
    body = "".join(key.splitlines()[1:-1])
    whole = base64.b64encode(key.encode()).decode()
    return {
        "pem": key,
        "body": body,
        "base64": whole,
        "one line": key.replace("\n", "\\n"),
        "variable": f"env://{body}/",
    }


@pytest.mark.parametrize("written", ["pem", "body", "base64", "one line", "variable"])
def test_a_key_given_itself_is_refused_and_not_repeated(written: str) -> None:
    """Who hands over the key instead of its place is told so, however it is written, without a part of the key."""
    given = _written(pem(key_of("ecdsa")).decode())[written]
    with pytest.raises(OptionsError, match="never the key itself") as refused:
        find_signer(given, keyless=False, environ={})
    assert not any(given[at : at + 12] in str(refused.value) for at in range(6, len(given) - 12))
    options = RunOptions(signing_key=given)
    assert as_values(options)["signing-key"] == "***"


def test_the_place_of_a_key_is_shown(tmp_path: Path) -> None:
    """A report says which file or variable held the key; a file that is not there signs nothing."""
    (tmp_path / "key.pem").write_bytes(pem(key_of("ecdsa")))
    for place in (str(tmp_path / "key.pem"), "env://EVIDENCE_KEY"):
        assert as_values(RunOptions(signing_key=place))["signing-key"] == place
    with pytest.raises(OptionsError, match="neither a file that is there"):
        find_signer("/does/not/exist.pem", keyless=False, environ={})
    with pytest.raises(OptionsError, match="set one of them"):
        find_signer("key.pem", keyless=True, environ={})
