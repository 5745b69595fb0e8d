"""VEX documents: a statement takes a finding away only for its own package, and only with a justification."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.findings import vulnerabilities
from cd4ml.image.package_url import package_url
from cd4ml.image.statements import Statement, Vex
from cd4ml.image.vex import read_vex
from tests.conftest import ROOT
from tests.image.archives import archive, scanned

JINJA = "pkg:pypi/jinja2@3.1.2"
CVE = "CVE-2024-56326"
IMAGE = "a.io/team/loans"


def openvex(*statements: Any, **more: Any) -> dict[str, Any]:
    """Return an OpenVEX document."""
    head = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "us", "version": 1}
    return {**head, "timestamp": "2026-01-01T00:00:00.5Z", "statements": list(statements), **more}


def said(product: Any = JINJA, status: str = "not_affected", **more: Any) -> dict[str, Any]:
    """Return a statement on the vulnerability that the tests' database knows."""
    why = {"justification": "vulnerable_code_not_in_execute_path"} if status == "not_affected" else {}
    named = product if isinstance(product, dict) else {"@id": product}
    return {"vulnerability": {"name": CVE}, "products": [named], "status": status, **why, **more}


def cyclonedx(reference: str, state: str = "not_affected", **analysis: Any) -> dict[str, Any]:
    """Return a CycloneDX document."""
    found = {"id": CVE, "analysis": {"state": state, **analysis}, "affects": [{"ref": reference}]}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "vulnerabilities": [found]}


def revised(free: str, affected: str) -> dict[str, Any]:
    """Return a CycloneDX document that says both of the package, each at its time."""
    document = cyclonedx(JINJA, detail="x", lastUpdated=free)
    later = cyclonedx(JINJA, state="exploitable", firstIssued="2020-01-01T00:00:00Z", lastUpdated=affected)
    return {**document, "vulnerabilities": [*document["vulnerabilities"], *later["vulnerabilities"]]}


def versions(*pairs: tuple[str, str], **analysis: Any) -> dict[str, Any]:
    """Return a CycloneDX document that says of versions of the package whether they are affected."""
    document = cyclonedx("pkg:pypi/jinja2", **analysis)
    document["vulnerabilities"][0]["affects"][0]["versions"] = [
        {"version": version, "status": status} for version, status in pairs
    ]
    return document


def written(folder: Path, document: Any) -> str:
    """Write a document and return its path."""
    path = folder / "vex.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image that holds the vulnerable package, and the database."""
    folder = tmp_path_factory.mktemp("vex")
    site = "usr/lib/python3.11/site-packages/jinja2-3.1.2.dist-info"
    system = {"etc/os-release": 'ID=debian\nVERSION_ID="12"\n', "etc/debian_version": "12.5\n"}
    archive(
        folder / "image.tar", {**system, f"{site}/METADATA": "Metadata-Version: 2.1\nName: jinja2\nVersion: 3.1.2\n"}
    )
    return folder


def suppressed(image: Path, vex: Vex) -> list[tuple[str, str]]:
    """Return status and reason of what Trivy leaves out; what it does not leave out it finds."""
    found = scanned(image, ("vuln",), vex)
    assert len(found.findings) + len(found.suppressed) == 1
    assert {one.id for one in found.findings} | {one.finding.id for one in found.suppressed} == {CVE}
    return [(one.status, one.reason) for one in found.suppressed]


REASON = "vulnerable_code_not_in_execute_path"
OF_ALIAS = ("not_affected", REASON)
OLD_BY_ALIAS = {
    **said(),
    "vulnerability": {"name": "GHSA-zzzz-zzzz-zzzz", "aliases": [CVE]},
    "timestamp": "2020-01-01T00:00:00Z",
}
# It says that two vulnerabilities are one, of which the other statement named the other one alone.
JOINED = {**said(status="under_investigation"), "vulnerability": {"name": "CVE-2024-1", "aliases": [CVE]}}
OWN = {"@id": "pkg:oci/loans?repository_url=a.io/team", "subcomponents": [{"@id": JINJA}]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (openvex(said()), [("not_affected", REASON)]),
        (openvex(said(impact_statement="Ours.")), [("not_affected", f"{REASON}: Ours.")]),
        (openvex(said({"@id": "x", "identifiers": {"purl": JINJA}})), [("not_affected", REASON)]),
        (openvex(said(OWN)), [("not_affected", REASON)]),
        (openvex(said(status="fixed")), [("fixed", "fixed")]),
        (cyclonedx(JINJA, detail="Ours."), [("not_affected", "Ours.")]),
        (
            cyclonedx(f"urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#{JINJA.replace(':', '%3A')}", detail="Ours."),
            [("not_affected", "Ours.")],
        ),
        ({**cyclonedx("c1", detail="x"), "components": [{"bom-ref": "c1", "purl": JINJA}]}, [("not_affected", "x")]),
        (openvex(said("pkg:pypi/jinja2@3.1.3")), []),
        (openvex(said("pkg:pypi/markupsafe@3.1.2")), []),
        (openvex({**said(), "vulnerability": {"name": "CVE-2024-1"}}), []),
        (openvex(said(status="affected")), []),
        (openvex(said(), said(status="affected", timestamp="2026-02-01T00:00:00Z")), []),
        (openvex(said({"@id": JINJA, "subcomponents": [{"@id": "pkg:pypi/other@1"}]})), []),
        (openvex(said({**OWN, "@id": "pkg:oci/loans@sha256:12?repository_url=a.io/team"})), []),
        (openvex(said({**OWN, "@id": "pkg:oci/other"})), []),
        (openvex(said({**OWN, "@id": f"pkg:oci/loans?repository_url={IMAGE}"})), [("not_affected", REASON)]),
        (openvex(said({**OWN, "@id": "pkg:oci/loans?repository_url=evil.io/other/loans"})), []),
        (openvex(said({**OWN, "@id": "pkg:oci/loans?tag=1.0"})), []),
        (openvex(said("pkg:pypi/Jinja2")), [("not_affected", REASON)]),
        (openvex(said(f"{JINJA}?arch=amd64")), []),
        (openvex(OLD_BY_ALIAS, {**said(status="affected"), "vulnerability": {"name": CVE}}), []),
        (openvex({**OLD_BY_ALIAS, "timestamp": "2026-02-01T00:00:00Z"}, said(status="affected")), [OF_ALIAS]),
        (openvex(OLD_BY_ALIAS), [OF_ALIAS]),
        (openvex(OLD_BY_ALIAS, {**said(status="affected"), "vulnerability": "GHSA-zzzz-zzzz-zzzz"}), []),
        (openvex(said("pkg:pypi/jinja2", status="fixed", impact_statement="Patched.")), [("fixed", "Patched.")]),
        (versions(("9.0", "unaffected"), ("3.1.2", "affected"), detail="x"), []),
        (versions(("3.1.2", "unaffected"), detail="x"), [("not_affected", "x")]),
        (versions(("3.1.2", "unaffected"), state="resolved"), [("fixed", "fixed")]),
        (revised("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"), []),
        (revised("2026-03-01T00:00:00Z", "2026-02-01T00:00:00.000000001+00:00"), [("not_affected", "x")]),
        (cyclonedx("c1", detail="x"), []),
        (cyclonedx(JINJA, "in_triage"), []),
    ],
)
def test_the_real_trivy__leaves_out_what_is_stated(image: Path, tmp_path: Path, document: Any, expected: Any) -> None:
    """Trivy leaves a finding out for its package in its version, with the reason; about anything else it stays."""
    assert suppressed(image, read_vex(written(tmp_path, document), IMAGE)) == expected


def test_a_package_that_a_statement_does_not_name__keeps_its_findings() -> None:
    """What depends on a named package, or has its sources, is another package and stays."""
    named = "pkg:deb/debian/openssl@3.0.11-1"
    found = [
        {
            "VulnerabilityID": CVE,
            "PkgName": name,
            "PkgIdentifier": {"PURL": f"pkg:deb/debian/{name}@3.0.11-1?arch=amd64"},
        }
        for name in ("openssl", "libssl3")
    ]
    found.append({"VulnerabilityID": CVE, "PkgName": "without-url"})
    time = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    said = Statement(
        ids=[CVE], status="fixed", reason="x", packages=[package_url(named)], time=time, where="statements[0]"
    )
    left, gone = vulnerabilities(
        {"Results": [{"Class": "os-pkgs", "Vulnerabilities": found}]}, Vex(path="v", sha256="", statements=[said])
    )
    assert [one.package for one in left] == ["libssl3", "without-url"]
    assert [one.finding.package for one in gone] == ["openssl"]


def test_the_documented_example_suppresses(image: Path, tmp_path: Path) -> None:
    """The document that the page shows takes the finding away, with both of its reasons."""
    page = (ROOT / "docs" / "stages" / "build-image.md").read_text(encoding="utf-8")
    shown = page.split("## VEX")[1].split("```json\n")[1].split("```")[0]
    told = [("not_affected", f"{REASON}: No template comes from a request.")]
    assert suppressed(image, read_vex(written(tmp_path, shown), IMAGE)) == told


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (openvex({**said(), "justification": " "}), "without a justification"),
        (openvex(said(status="harmless")), "unknown status"),
        (openvex({**said(), "vulnerability": {"name": ""}}), "names no vulnerability"),
        (openvex({**said(), "vulnerability": {"name": CVE, "aliases": [3]}}), "names no vulnerability"),
        (openvex(said(timestamp="yesterday")), "cannot be read"),
        (openvex(3), "cannot be read"),
        ({**openvex(), "statements": None}, "cannot be read"),
        (openvex({**said(), "products": [7]}), "cannot be read"),
        (openvex(said("pkg:pypi")), "is not a package URL"),
        (openvex(said("pkg:pypi/jinja2", status="fixed")), "without the version"),
        (openvex(said(), said("pkg:pypi/jinja2", status="affected")), "of the same time says affected"),
        (openvex(OLD_BY_ALIAS, {**JOINED, "timestamp": "2020-01-01T00:00:00Z"}), "says under_investigation"),
        (cyclonedx("pkg:pypi/jinja2", "resolved"), "without the version"),
        (cyclonedx(JINJA), "without a justification"),
        (cyclonedx(JINJA, "fine", detail="x"), "unknown status"),
        ({"vulnerabilities": []}, "neither OpenVEX nor CycloneDX"),
        ([], "cannot be read"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_document_that_proves_nothing_is_refused(tmp_path: Path, document: Any, problem: str) -> None:
    """A statement without a reason, or what cannot be read, is bad input and not a document without effect."""
    with pytest.raises(OptionsError, match=problem):
        read_vex(written(tmp_path, document), IMAGE)


def test_a_missing_document_is_unavailable(tmp_path: Path) -> None:
    """A named document must be there."""
    with pytest.raises(UnavailableError):
        read_vex(str(tmp_path / "none.json"), IMAGE)
