"""Reading what a VEX document says of vulnerabilities, in OpenVEX or CycloneDX.

Only statements about packages by package URL can take a finding away, and only with a reason.
https://github.com/openvex/spec, https://cyclonedx.org/capabilities/vex/
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from cd4ml.digests import bytes_sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.package_url import PackageUrl, package_url
from cd4ml.image.reference import repository_of
from cd4ml.image.statements import Statement, Vex, contradictions
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
    "The file must be OpenVEX (https://openvex.dev) or CycloneDX in JSON; not_affected needs a justification, fixed "
    "one or a version in its package URLs."
)
_LONGEST: Final = 500
_EARLIEST: Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)


def read_vex(path: str, image: str) -> Vex:
    """Read a document.

    Args:
        image: name of the image, which an OpenVEX statement may give as its product, without tag or digest.

    Raises:
        UnavailableError: it is missing.
        OptionsError: it is neither format, a statement takes a finding away without a reason, or two of one time
            contradict each other; all at once.
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
    problems += contradictions(statements)
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


def _products(product: object, image: str) -> Iterator[PackageUrl]:
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
    elif _is_image(own, image):
        yield from _packages(part if isinstance(part, str) else _url(part) for part in parts)


def _is_image(url: str, image: str) -> bool:
    """Whether a URL names this image, and not one version of it."""
    if not url.startswith("pkg:oci/"):
        return False
    named = package_url(url)
    last = image.rpartition("/")[2].lower()
    if named.name != last or named.version or named.qualifiers.get("tag"):
        return False
    place = named.qualifiers.get("repository_url", "").partition("://")
    repository = (place[2] or place[0]).strip("/").lower()
    # The specification ends the repository's address with the image's name; some tools leave that out.
    return not repository or repository_of(image) in (repository_of(repository), repository_of(f"{repository}/{last}"))


def _url(component: Mapping[str, Any]) -> str:
    """Return a component's package URL."""
    return str((component.get("identifiers") or {}).get("purl") or component.get("@id") or "")


def _packages(urls: Iterable[str]) -> Iterator[PackageUrl]:
    """Yield those that are URLs of packages, which an image holds."""
    yield from (package_url(url) for url in urls if url.startswith("pkg:") and not url.startswith("pkg:oci/"))


def _cyclonedx(document: Mapping[str, Any], problems: list[str]) -> Iterator[Statement]:
    """Yield the statements of a CycloneDX document; what they affect is in it, or in another."""
    known = {str(one.get("bom-ref")): str(one.get("purl") or "") for one in document.get("components") or ()}
    written = (document.get("metadata") or {}).get("timestamp")
    for index, raw in enumerate(document.get("vulnerabilities") or ()):
        analysis = raw.get("analysis") or {}
        status = _OF_CYCLONEDX.get(str(analysis.get("state")), str(analysis.get("state")))
        packages: list[PackageUrl] = []
        for item in raw.get("affects") or ():
            name = _affected(str(item["ref"]))
            named = _packages([known.get(name) or name])
            packages += _unaffected(named, item) if status in ("not_affected", "fixed") else named
        reasons = [analysis.get("justification"), analysis.get("detail")]
        time = _moment(analysis.get("lastUpdated") or analysis.get("firstIssued") or written)
        where = f"vulnerabilities[{index}]"
        yield from _statement([raw.get("id")], status, reasons, packages, time, where, problems)


def _unaffected(packages: Iterable[PackageUrl], item: Mapping[str, Any]) -> Iterator[PackageUrl]:
    """Yield packages in the versions that are said to be unaffected; ranges of versions are not compared."""
    versions = item.get("versions")
    if not versions:
        yield from packages
        return
    free = {str(one["version"]) for one in versions if one.get("version") and one.get("status") == "unaffected"}
    for package in packages:
        yield from (replace(package, version=one) for one in sorted(free) if package.version in ("", one))


def _affected(reference: str) -> str:
    """Return the reference within a bill of materials: a package URL, where Trivy wrote that."""
    # A BOM-Link is urn:cdx:<serial number>/<version>#<reference>.
    return unquote(reference.partition("#")[2]) if reference.startswith("urn:cdx:") else reference


def _moment(raw: object) -> datetime.datetime:
    """Return a time, the earliest one for none. Raises ValueError for what is no time."""
    if not raw:
        return _EARLIEST
    found = datetime.datetime.fromisoformat(str(raw))
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def _statement(
    ids: Sequence[object],
    status: str,
    reasons: Sequence[object],
    packages: Sequence[PackageUrl],
    time: datetime.datetime,
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
    elif status == "fixed" and not reason and not all(package.version for package in packages):
        problems.append(f"{where}: {ids[0]} is fixed, without the version that holds the fix and without a reason")
    elif packages:
        said = (reason or status)[:_LONGEST]
        names = [str(id) for id in ids]
        yield Statement(ids=names, status=status, reason=said, packages=packages, time=time, where=where)
