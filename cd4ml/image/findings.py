"""What Trivy's report says of an image: vulnerabilities, secrets and licences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.digests import bytes_sha256
from cd4ml.image.statements import Vex

SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")
# What a package says of its licence where it says nothing.
UNSTATED: Final = "NOASSERTION"
_LONGEST: Final = 200
_BEGINNING: Final = 120


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A known vulnerability in the image; `fixed` is empty while there is no fix, `kind` is as of a License."""

    id: str
    severity: str
    package: str
    installed: str
    fixed: str
    title: str
    target: str
    kind: str = "library"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """Something in the image that looks like a secret; what it is, is nowhere kept.

    Attributes:
        id: Trivy's rule, e.g. `aws-access-key-id`.
        path: the file in the image, or `image configuration`: its variables and commands.
    """

    id: str
    severity: str
    title: str
    path: str
    line: int


@dataclass(frozen=True, kw_only=True)
class License:
    """A licence that a package states.

    Attributes:
        id: its name or expression in SPDX's terms where Trivy knows it, else the package's own words; of long ones the
            beginning and a digest.
        category: Trivy's, e.g. `restricted` or `unknown`.
        kind: of the package, as `--pkg-types` of Trivy calls it: `os` or `library`.
        text: all of it where `id` does not hold it.
        parts: each word in lower case with the category that it has as a licence, where there are several.
    """

    id: str
    category: str
    package: str
    kind: str
    text: str = ""
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def stated(self) -> str:
        """All that the package states."""
        return self.text or self.id


@dataclass(frozen=True, kw_only=True)
class Suppressed:
    """A vulnerability that does not count by a statement of the VEX document: its status, and the reason given."""

    finding: Finding
    status: str
    reason: str


def vulnerabilities(document: Mapping[str, Any], vex: Vex | None = None) -> tuple[list[Finding], list[Suppressed]]:
    """Return all vulnerabilities of a report, and those that do not count by a VEX document, the worst first."""
    found, gone = [], []
    for part, item in _items(document, "Vulnerabilities"):
        finding = _vulnerability(part, item)
        url = str((item.get("PkgIdentifier") or {}).get("PURL") or "")
        statement = vex.suppressing(finding.id, url) if vex is not None else None
        if statement is None:
            found.append(finding)
        else:
            gone.append(Suppressed(finding=finding, status=statement.status, reason=statement.reason))
    return sorted(found, key=_gravity), sorted(gone, key=lambda item: _gravity(item.finding))


def _vulnerability(part: Mapping[str, Any], item: Mapping[str, Any]) -> Finding:
    """Return a vulnerability as a part of the report tells it."""
    return Finding(
        id=str(item["VulnerabilityID"]),
        severity=str(item.get("Severity") or "UNKNOWN"),
        package=str(item.get("PkgName", "")),
        installed=str(item.get("InstalledVersion", "")),
        fixed=str(item.get("FixedVersion") or ""),
        title=str(item.get("Title") or "")[:_LONGEST],
        target=str(part.get("Target", "")),
        kind=_kind(part),
    )


def _gravity(finding: Finding) -> tuple[int, str, str]:
    """Return what vulnerabilities are sorted by."""
    return _rank(finding.severity), finding.id, finding.package


def secrets(document: Mapping[str, Any]) -> list[Secret]:
    """Return all secrets of a report, the worst first."""
    whole = document.get("ArtifactName")
    found = [
        Secret(
            id=str(item["RuleID"])[:_LONGEST],
            severity=str(item.get("Severity") or "UNKNOWN"),
            title=str(item.get("Title") or "")[:_LONGEST],
            path="image configuration" if part.get("Target") == whole else str(part.get("Target", "")),
            line=int(item.get("StartLine") or 0),
        )
        for part, item in _items(document, "Secrets")
    ]
    return sorted(found, key=lambda item: (_rank(item.severity), item.path, item.line, item.id))


def licenses(document: Mapping[str, Any]) -> list[License]:
    """Return what the packages of a report state, and of each that states nothing, that it does not."""
    stated = [
        _license(
            str(item.get("Name") or ""),
            category=str(item.get("Category") or "unknown"),
            package=str(item.get("PkgName") or ""),
            kind="os" if part.get("Target") == "OS Packages" else "library",
        )
        for part, item in _items(document, "Licenses")
    ]
    silent = [
        License(id=UNSTATED, category="unknown", package=str(item.get("Name") or ""), kind=kind)
        for kind, item in packages(document)
        if not item.get("Licenses")
    ]
    return sorted({*stated, *silent}, key=lambda item: (item.kind, item.package, item.id))


def _license(text: str, *, category: str, package: str, kind: str) -> License:
    """Return a licence: a long one, or one of several lines, goes by its beginning and what tells it from others."""
    if len(text) <= _LONGEST and text.isprintable():
        return License(id=text, category=category, package=package, kind=kind)
    digest = bytes_sha256(text.encode("utf-8", "surrogatepass"))
    # An entry of the ignore file can hold this.
    beginning = re.sub(r"[*?\s]+", " ", text)[:_BEGINNING].strip()
    id = f"{beginning}… (sha256 {digest[:32]})".lstrip()
    return License(id=id, category=category, package=package, kind=kind, text=text)


def packages(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each package with its kind, `os` or `library`."""
    for part, item in _items(document, "Packages"):
        yield _kind(part), item


def _kind(part: Mapping[str, Any]) -> str:
    """Return the kind of the packages that a part of the report is about."""
    return "os" if part.get("Class") == "os-pkgs" else "library"


def count(document: Mapping[str, Any]) -> int:
    """Return how many findings Trivy answers for with its exit code."""
    return sum(len(list(_items(document, name))) for name in ("Vulnerabilities", "Secrets", "Licenses"))


def without(document: dict[str, Any]) -> dict[str, Any]:
    """Return a report without findings: what is known changes by the day, the packages do not."""
    for part in document.get("Results") or []:
        for name in ("Vulnerabilities", "Secrets", "Licenses"):
            part.pop(name, None)
    return document


def _items(document: Mapping[str, Any], name: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each item of a list of the report's parts, with its part."""
    for part in document.get("Results") or []:
        for item in part.get(name) or []:
            yield part, item


def _rank(severity: str) -> int:
    """Return a severity's rank, 0 for the worst."""
    ranks: Sequence[str] = SEVERITIES
    return ranks.index(severity) if severity in ranks else len(ranks)
