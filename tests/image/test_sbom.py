"""The bill of materials, by the real Trivy: both documents name what is in the image, and what is missing blocks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cd4ml.checks.image.sbom import sbom_check
from cd4ml.errors import UnavailableError
from cd4ml.image.sbom import Ingredient, Sbom, locked_packages, sbom
from cd4ml.image.scan import result_in
from cd4ml.report import Status
from tests.conftest import need_program
from tests.image.archives import archive, scanned

SITE = "opt/venv/lib/python3.11/site-packages"
FILES = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "etc/debian_version": "12.5\n",
    "var/lib/dpkg/status": "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.3-1\nArchitecture: amd64\n\n",
    f"{SITE}/Jinja2-3.1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.2\n",
    f"{SITE}/torch-2.1.0+cpu.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.1.0+cpu\n",
}
MODEL = Ingredient(kind="model", name="loans", version="3", sha256="a" * 64, comment="its files")
BASE = Ingredient(
    kind="base", name="python:3.11", version=f"sha256:{'b' * 64}", sha256="b" * 64, comment="c", purl="pkg:oci/python@x"
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real scan of an image."""
    folder = tmp_path_factory.mktemp("sbom")
    archive(folder / "image.tar", FILES)
    assert scanned(folder).findings  # or the documents could hold none anyway
    return folder


def made(folder: Path) -> Sbom:
    """Write both documents."""
    return sbom(
        result_in(folder),
        folder,
        image="registry.example/loans:1",
        added=(MODEL, BASE),
        trivy=need_program("trivy"),
        environ={**os.environ, "TRIVY_SKIP_FILES": "**/METADATA"},
    )


def test_both_documents_name_everything(scratch: Path) -> None:
    """Libraries, the system's packages, the model by its digest and the base are in CycloneDX and in SPDX."""
    found = made(scratch)
    cyclonedx: Any = json.loads(found.cyclonedx)
    spdx: Any = json.loads(found.spdx)
    assert {"Jinja2", "torch", "zlib1g", "debian", "loans", "python:3.11"} <= {
        c["name"] for c in cyclonedx["components"]
    }
    assert {"Jinja2", "torch", "zlib1g", "debian", "loans", "python:3.11"} <= {p["name"] for p in spdx["packages"]}
    assert cyclonedx["metadata"]["component"]["name"] == "registry.example/loans:1"
    assert str(scratch) not in (found.cyclonedx + found.spdx).decode()
    root = cyclonedx["metadata"]["component"]["bom-ref"]
    needed = next(item["dependsOn"] for item in cyclonedx["dependencies"] if item["ref"] == root)
    assert {f"model:{'a' * 64}", "pkg:oci/python@x"} <= set(needed)
    assert {item["relationshipType"] for item in spdx["relationships"]} >= {"DESCRIBES", "CONTAINS", "DESCENDANT_OF"}


def test_known_vulnerabilities_are_not_in_them(scratch: Path) -> None:
    """What is known of packages today is the scan's; the documents say what there is."""
    found = made(scratch)
    assert "CVE-2024-56326".lower() not in (found.cyclonedx + found.spdx).decode().lower()


def test_a_package_that_is_lacking_blocks(scratch: Path) -> None:
    """Every locked package must be named in its locked version, whatever the spelling of its name."""
    named = made(scratch).packages
    lock = (
        "jinja2==3.1.2 \\\n    --hash=sha256:00\ntorch[x]==2.1.0+cpu ; python_version > '3' \\\n    --hash=sha256:11\n"
    )
    assert sbom_check(named, locked_packages(lock)).status is Status.PASSED
    for wrong in (lock.replace("3.1.2", "3.1.3"), f"{lock}uvicorn==1.0\n", ""):
        assert sbom_check(named, locked_packages(wrong)).status is Status.FAILED
    assert "uvicorn 1.0" in sbom_check(named, locked_packages(f"{lock}uvicorn==1.0\n")).message


def test_a_scan_that_cannot_be_turned_into_one_is_unavailable(scratch: Path, tmp_path: Path) -> None:
    """A report that Trivy does not read again gives no bill of materials instead of an empty one."""
    result_in(tmp_path).write_text('{"SchemaVersion": "x"}')
    with pytest.raises(UnavailableError, match="Trivy"):
        made(tmp_path)
