"""What a VEX document says of vulnerabilities: OpenVEX or CycloneDX, handed to Trivy in one form.

Only statements about packages by package URL can take a finding away, and only with a reason.
https://github.com/openvex/spec, https://cyclonedx.org/capabilities/vex/
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from cd4ml.digests import bytes_sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import text_file

_STATUSES: Final = ("not_affected", "affected", "fixed", "under_investigation")
_OF_CYCLONEDX: Final = {
    "resolved": "fixed",
    "resolved_with_pedigree": "fixed",
    "exploitable": "affected",
    "in_triage": "under_investigation",
    "false_positive": "not_affected",
    "not_affected": "not_affected",
}
_ADVICE: Final = (
    "The file must be OpenVEX (https://openvex.dev) or CycloneDX in JSON; not_affected needs a justification."
)
_LONGEST: Final = 500


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is said of one vulnerability in packages.

    Attributes:
        ids: the vulnerability and its aliases.
        reason: why it does not affect; empty for what takes no finding away.
        packages: package URLs.
        time: when it was said, the empty text if the document does not say.
    """

    ids: Sequence[str]
    status: str
    reason: str
    packages: Sequence[str]
    time: str = ""


@dataclass(frozen=True, kw_only=True)
class Vex:
    """A document that was read."""

    path: str
    sha256: str
    statements: Sequence[Statement]

    def openvex(self) -> bytes:
        """Return the statements as Trivy takes them: the reason is what it answers with for a finding."""
        statements = [
            {
                "vulnerability": {"name": one.ids[0], "aliases": list(one.ids[1:])},
                "products": [{"@id": package} for package in one.packages],
                "status": one.status,
                "justification": one.reason,
                **({"timestamp": one.time} if one.time else {}),
            }
            for one in self.statements
        ]
        head = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": f"urn:sha256:{self.sha256}", "author": "cd4ml"}
        document = {**head, "timestamp": "1970-01-01T00:00:00Z", "version": 1, "statements": statements}
        return json.dumps(document).encode()


def read_vex(path: str, image: str) -> Vex:
    """Read a document.

    Args:
        image: name of the image, which an OpenVEX statement may give as its product, without tag or digest.

    Raises:
        UnavailableError: it is missing.
        OptionsError: it is neither format, or a statement takes a finding away without a reason; all at once.
    """
    try:
        text = text_file(Path(path))
    except FileNotFoundError as error:
        raise UnavailableError(f"vex: {path}: no such file.") from error
    problems: list[str] = []
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("no object")
        if str(document.get("@context", "")).startswith("https://openvex.dev/ns"):
            statements = list(_openvex(document, image, problems))
        elif document.get("bomFormat") == "CycloneDX":
            statements = list(_cyclonedx(document, problems))
        else:
            raise ValueError("neither OpenVEX nor CycloneDX")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise OptionsError(f"vex: {path} cannot be read: {str(error)[:200]}", advice=_ADVICE) from error
    if problems:
        raise OptionsError([f"vex: {path}: {problem}" for problem in problems], advice=_ADVICE)
    return Vex(path=path, sha256=bytes_sha256(text.encode()), statements=statements)


def _openvex(document: Mapping[str, Any], image: str, problems: list[str]) -> Iterator[Statement]:
    """Yield the statements of an OpenVEX document."""
    for index, raw in enumerate(document["statements"]):
        named = raw["vulnerability"]
        ids = [named] if isinstance(named, str) else [named.get("name"), *(named.get("aliases") or ())]
        reasons = [raw.get("justification"), raw.get("impact_statement")]
        packages = [url for product in raw.get("products") or () for url in _products(product, image)]
        time = _moment(raw.get("timestamp") or document.get("timestamp"))
        where = f"statements[{index}]"
        yield from _statement(ids, str(raw.get("status")), reasons, packages, time, where, problems)


def _products(product: object, image: str) -> Iterator[str]:
    """Yield the packages that a product stands for: itself, or what is named of this image."""
    if isinstance(product, str):
        yield from _packages([product])
        return
    if not isinstance(product, Mapping):
        raise ValueError("a product is neither a text nor an object")
    own = _url(product)
    parts = product.get("subcomponents") or ()
    if not parts:
        yield from _packages([own])
    elif own.partition("?")[0] == f"pkg:oci/{image.rpartition('/')[2].lower()}":
        yield from _packages(part if isinstance(part, str) else _url(part) for part in parts)


def _url(component: Mapping[str, Any]) -> str:
    """Return a component's package URL."""
    return str((component.get("identifiers") or {}).get("purl") or component.get("@id") or "")


def _packages(urls: Iterable[str]) -> Iterator[str]:
    """Yield those that are URLs of packages, which an image holds."""
    yield from (url for url in urls if url.startswith("pkg:") and not url.startswith("pkg:oci/"))


def _cyclonedx(document: Mapping[str, Any], problems: list[str]) -> Iterator[Statement]:
    """Yield the statements of a CycloneDX document; what they affect is in it, or in another."""
    known = {str(one.get("bom-ref")): str(one.get("purl") or "") for one in document.get("components") or ()}
    time = _moment((document.get("metadata") or {}).get("timestamp"))
    for index, raw in enumerate(document.get("vulnerabilities") or ()):
        analysis = raw.get("analysis") or {}
        status = _OF_CYCLONEDX.get(str(analysis.get("state")), str(analysis.get("state")))
        named = [_affected(str(item["ref"])) for item in raw.get("affects") or ()]
        packages = list(_packages(known.get(name) or name for name in named))
        reasons = [analysis.get("justification"), analysis.get("detail")]
        where = f"vulnerabilities[{index}]"
        yield from _statement([raw.get("id")], status, reasons, packages, time, where, problems)


def _affected(reference: str) -> str:
    """Return the reference within a bill of materials: a package URL, where Trivy wrote that."""
    # A BOM-Link is urn:cdx:<serial number>/<version>#<reference>.
    return unquote(reference.partition("#")[2]) if reference.startswith("urn:cdx:") else reference


def _moment(raw: object) -> str:
    """Return a time as it is written, the empty text for none. Raises ValueError for what is no time."""
    text = str(raw or "")
    if text:
        datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    return text


def _statement(
    ids: Sequence[object],
    status: str,
    reasons: Sequence[object],
    packages: Sequence[str],
    time: str,
    where: str,
    problems: list[str],
) -> Iterator[Statement]:
    """Yield a statement that is about packages, or note what is wrong with it."""
    reason = ": ".join(str(one).strip() for one in reasons if one and str(one).strip())
    if not ids or not all(isinstance(id, str) and id.strip() for id in ids):
        problems.append(f"{where}: names no vulnerability")
    elif status not in _STATUSES:
        problems.append(f"{where}: unknown status {status[:40]!r}")
    elif status == "not_affected" and not reason:
        problems.append(f"{where}: {ids[0]} is not_affected without a justification")
    elif packages:
        said = (reason or status)[:_LONGEST]
        yield Statement(ids=[str(id) for id in ids], status=status, reason=said, packages=packages, time=time)
