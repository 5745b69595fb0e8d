"""What was written about an image: in-toto statements, signed or not, and bills of materials.

A statement is read without verifying it, and that is said, unless there is a public key: then what that key has not
signed is a problem, and nothing of it is believed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cd4ml.errors import OptionsError
from cd4ml.evidence import model_signature, provenance, result
from cd4ml.evidence.statement import Statement, read_statement
from cd4ml.report.trace import Document, Topic
from cd4ml.tracing.records import Key, Record
from cd4ml.tracing.subject import Ids

if TYPE_CHECKING:
    from cd4ml.evidence.keys import PublicKey

_CYCLONEDX: Final = "https://cyclonedx.org/bom"
_SPDX: Final = "https://spdx.dev/Document"
_KINDS: Final = {
    provenance.PREDICATE: "SLSA provenance",
    result.PREDICATE: "test result",
    _CYCLONEDX: "SBOM (CycloneDX)",
    _SPDX: "SBOM (SPDX)",
    model_signature.PREDICATE: "model signature",
    "https://sigstore.dev/cosign/sign/v1": "image signature",
}
_UNSIGNED: Final = "not signed"
# What a statement of this kind is about is no digest of ours: that of its own list of files.
_OF_ITS_OWN: Final = frozenset({model_signature.PREDICATE})


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A document with what it says.

    Attributes:
        about: digests of its subjects.
        report: digest of the report that it states, where it is about one.
        verified: whether the public key has signed it.
    """

    document: Document
    record: Record | None = None
    about: frozenset[str] = frozenset()
    problem: str = ""
    report: str | None = None
    verified: bool = False

    def held_to(self, key: PublicKey | None) -> Stated:
        """Return what counts of it: with a key, nothing that it has not signed."""
        if key is None or self.verified or self.problem:
            return self
        place = self.document.place
        document = Document(kind=self.document.kind, place=place, signature=_UNSIGNED)
        return Stated(document=document, problem=f"{place} is not signed, and public-key must have signed it")

    def stray(self, ids: Ids) -> str:
        """Say that the document is about something else; empty if it is not, or if that cannot be told."""
        known = {(ids.image or "").removeprefix("sha256:"), ids.model or "", ids.commit or ""} - {""}
        if self.problem or not self.about or not known or self.about & known:
            return self.problem
        return f"{self.document.place} is about {', '.join(sorted(self.about))}, which is not what is traced"


def read(content: bytes, place: str, key: PublicKey | None) -> Stated:
    """Read a document.

    Args:
        place: its file, or its digest in the registry.
        key: the public key that must have signed it; None to verify nothing.
    """
    return _read(content, place, key).held_to(key)


def _read(content: bytes, place: str, key: PublicKey | None) -> Stated:
    """See read."""
    try:
        written = json.loads(content)
        if not isinstance(written, dict):
            raise ValueError("it is not an object")
        if "dsseEnvelope" in written:
            return _signed(content, written, place, key)
        if "_type" in written:
            return _stated(read_statement(content), place, _UNSIGNED)
    except (OptionsError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        document = Document(kind="unreadable", place=place)
        return Stated(document=document, problem=f"{place} cannot be read as a statement: {str(error)[:200]}")
    return _bill(written, place)


def _signed(content: bytes, written: Mapping[str, Any], place: str, key: PublicKey | None) -> Stated:
    """Read a Sigstore bundle."""
    material = written.get("verificationMaterial") or {}
    hint = (material.get("publicKey") or {}).get("hint")
    certified = "a certificate (keyless)" if "certificate" in material else "an unnamed signer"
    who = f"the key {str(hint)[:100]}" if hint else certified
    if key is None:
        payload = base64.b64decode(written["dsseEnvelope"]["payload"], validate=True)
        return _stated(read_statement(payload), place, f"signed by {who}; not verified here")
    from cd4ml.evidence.dsse import verified_bundle  # it needs a library that nothing else here needs

    try:
        statement = verified_bundle(content, key)
    except OptionsError as error:
        document = Document(kind="signed statement", place=place, signature="not verified")
        return Stated(document=document, problem=f"{place} (signed by {who}): {error.message}")
    return replace(_stated(statement, place, "signed, and verified by public-key"), verified=True)


def _stated(statement: Statement, place: str, signature: str) -> Stated:
    """Return what a statement says."""
    kind = _KINDS.get(statement.predicate_type, statement.predicate_type)
    values, ids = _said(statement)
    about = frozenset(digest for subject in statement.subjects for digest in subject.digest.values())
    return Stated(
        document=Document(kind=kind, place=place, signature=signature, note=_note(statement)),
        record=Record(by=f"{kind} ({place})", ids=ids, values=values) if values or ids != Ids() else None,
        about=frozenset() if statement.predicate_type in _OF_ITS_OWN else about,
        report=_digest(_configured(statement.predicate, result.REPORT), "sha256"),
    )


def _said(statement: Statement) -> tuple[dict[Key, str], Ids]:
    """Return what a predicate says of the image."""
    predicate = statement.predicate
    match statement.predicate_type:
        case provenance.PREDICATE:
            return _provenance(predicate)
        case result.PREDICATE:
            return {}, Ids(model=_digest(_configured(predicate, "model"), "sha256"))
        case kind if kind in (_CYCLONEDX, _SPDX):
            return _packages(predicate), Ids()
    return {}, Ids()


def _configured(predicate: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return what a test result rests on, by its name; empty if it names none."""
    return next((item for item in _list(predicate.get("configuration")) if item.get("name") == name), {})


def _provenance(predicate: Mapping[str, Any]) -> tuple[dict[Key, str], Ids]:
    """Return what a provenance names as ingredients."""
    definition = predicate.get("buildDefinition") or {}
    parts = {str(item.get("name")): item for item in _list(definition.get("resolvedDependencies"))}
    model, source = parts.get("model", {}), parts.get("source", {})
    base = _digest(parts.get("base", {}), "sha256")
    values: dict[Key, str | None] = {
        (Topic.CODE, "repository"): repository(str(source.get("uri") or "")),
        (Topic.DEPENDENCIES, "lock of the image"): _prefixed(_digest(parts.get("requirements.txt", {}), "sha256")),
        (Topic.IMAGE, "base"): _prefixed(base),
        (Topic.IMAGE, "built by"): str((predicate.get("runDetails") or {}).get("builder", {}).get("id") or "") or None,
    }
    ids = Ids(model=_digest(model, "sha256"), commit=_digest(source, "gitCommit"))
    return {key: value for key, value in values.items() if value}, ids


def repository(address: str) -> str | None:
    """Return a repository's address in one spelling, without who may log in; None if there is none."""
    return re.sub(r"://[^/@]*@", "://", address.removeprefix("git+")).removesuffix("/").removesuffix(".git") or None


def _bill(written: Mapping[str, Any], place: str) -> Stated:
    """Return what a bill of materials that lies alone says; anything else is nothing of ours."""
    values = _packages(written)
    kind = "SBOM (CycloneDX)" if "bomFormat" in written else "SBOM (SPDX)" if "spdxVersion" in written else "document"
    document = Document(kind=kind, place=place, signature=_UNSIGNED)
    return Stated(document=document, record=Record(by=f"{kind} ({place})", values=values) if values else None)


def _packages(bill: Mapping[str, Any]) -> dict[Key, str]:
    """Return how many packages a bill of materials has."""
    if "bomFormat" in bill:
        libraries = [one for one in _list(bill.get("components")) if one.get("type") == "library"]
        return {(Topic.DEPENDENCIES, "packages (CycloneDX)"): f"{len(libraries):,}"}
    if "spdxVersion" in bill:
        return {(Topic.DEPENDENCIES, "packages (SPDX)"): f"{len(_list(bill.get('packages'))):,}"}
    return {}


def _note(statement: Statement) -> str:
    """Return what is worth knowing of a statement in a few words."""
    if statement.predicate_type == result.PREDICATE:
        passed, failed = (len(statement.predicate.get(name) or ()) for name in ("passedTests", "failedTests"))
        return f"{statement.predicate.get('result')}: {passed} passed, {failed} did not"
    return ""


def _digest(item: Mapping[str, Any], name: str) -> str | None:
    """Return a digest of a resource."""
    found = (item.get("digest") or {}).get(name)
    return str(found) if found else None


def _prefixed(digest: str | None) -> str | None:
    """Return a digest with its algorithm."""
    return f"sha256:{digest}" if digest else None


def _list(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
