"""build-image: the image, and the vulnerabilities, secrets and licences that were found in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, details, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import Mark, bars
from cd4ml.render.html.tables import facts, table
from cd4ml.render.html.values import listed, mapping, numeric
from cd4ml.render.numbers import number
from cd4ml.report import Published

_SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


def section(published: Published) -> Html:
    """Return the image, its scan and its Dockerfile."""
    more = published.report.details
    scan = mapping(more, "scan")
    parts = [element("h3", "Image"), facts(_image(more))] if more.get("image") else []
    if scan:
        parts += [
            element("h3", "Vulnerabilities"),
            _counts(scan),
            facts(_scanned(scan)),
            _findings(scan),
            _suppressed(scan),
            _secrets(scan),
            _licenses(scan),
            _ignored(scan),
        ]
    text = more.get("dockerfile")
    if isinstance(text, str):
        lines = [element("li", element("code", line)) for line in text.splitlines()[:100] if line.strip()]
        parts.append(details("Dockerfile", element("ol", *lines)))
    return joined(parts)


def _image(more: Mapping[str, Any]) -> list[tuple[str, Content]]:
    """Return what the image is."""
    size = numeric(more.get("size"))
    base, simulation = mapping(more, "base"), mapping(more, "simulation")
    return [
        ("Image", _code(more.get("image"))),
        ("Digest", _code(more.get("digest"))),
        ("Base", _code(base.get("reference"))),
        ("Base digest", _code(base.get("digest"))),
        ("Size", None if size is None else f"{size / 1e6:,.0f} MB"),
        ("User", _code(more.get("user"))),
        ("Python", _code(simulation.get("python"))),
        ("Rows predicted in it", number(numeric(simulation.get("rows")))),
    ]


def _scanned(scan: Mapping[str, Any]) -> list[tuple[str, Content]]:
    """Return how it was scanned."""
    return [
        ("Scanned by", _code(f"Trivy {scan.get('trivy')}")),
        ("Database of", _code(scan.get("database_updated_at"))),
        ("Distribution", _code(scan.get("distribution"))),
        ("Packages", number(numeric(scan.get("packages")))),
        ("Packages of the base", number(numeric(scan.get("base_packages")))),
    ]


def _code(value: object) -> Html | None:
    """Return a scalar as it is written."""
    return element("code", str(value)) if value and not isinstance(value, Mapping | list) else None


def _counts(scan: Mapping[str, Any]) -> Html:
    """Return the vulnerabilities by severity."""
    found = mapping(scan, "by_severity")
    counts = [(name, numeric(found.get(name))) for name in dict.fromkeys((*_SEVERITIES, *found))]
    marks = [Mark(row=name, series="findings", value=float(n)) for name, n in counts if n]
    if not marks:
        return element("p", "No vulnerability was found.")
    said = ", ".join(f"{number(int(mark.value))} {mark.row}" for mark in marks)
    return side_by_side([picture("Vulnerabilities by severity", f"{said}.", bars(marks, x="findings"))])


def _rows(found: object, *keys: str) -> list[list[Content]]:
    """Return a list of the report as rows of a table, each with what is under these keys."""
    return [[str(mapping(one).get(key) or "") for key in keys] for one in listed(found)]


def _findings(scan: Mapping[str, Any]) -> Html:
    """Return the vulnerabilities, the worst first."""
    rows = _rows(scan.get("findings"), "id", "severity", "package", "installed", "fixed", "title")
    heads = ("Vulnerability", "Severity", "Package", "Installed", "Fixed in", "Title")
    return table("Vulnerabilities, the worst first", heads, rows, of="vulnerability")


def _suppressed(scan: Mapping[str, Any]) -> Html:
    """Return what does not count by the VEX document, and why."""
    rows = _rows(
        mapping(scan, "vex").get("suppressed"), "id", "severity", "package", "installed", "status", "justification"
    )
    heads = ("Vulnerability", "Severity", "Package", "Installed", "Status", "Justification")
    return table("Suppressed by the VEX document", heads, rows, of="vulnerability")


def _secrets(scan: Mapping[str, Any]) -> Html:
    """Return what looks like a secret, and where; the secret itself is nowhere kept."""
    rows = _rows(scan.get("secrets"), "id", "severity", "path", "line", "title")
    return table("Secrets in the image", ("Rule", "Severity", "File", "Line", "Title"), rows, of="secret")


def _licenses(scan: Mapping[str, Any]) -> Html:
    """Return how often which licence is stated, and those that no package may have."""
    found = mapping(scan, "licenses")
    rows = _rows(found.get("forbidden"), "id", "category", "package", "kind")
    stated: list[list[Content]] = [[name, number(numeric(n))] for name, n in mapping(found, "by_license").items()]
    heads = ("Licence", "Category", "Package", "Kind")
    return joined(
        [
            table("Forbidden licences", heads, rows, of="licence"),
            details("Licences", table("Licences by package", ("Licence", "Packages"), stated, of="licence")),
        ]
        if found
        else []
    )


def _ignored(scan: Mapping[str, Any]) -> Html:
    """Return what was accepted, why and until when."""
    rows = _rows(scan.get("ignores"), "id", "package", "path", "reason", "expires")
    return table("Accepted findings", ("Finding", "Package", "File", "Reason", "Until"), rows, of="entry")
