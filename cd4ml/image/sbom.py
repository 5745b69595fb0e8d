"""The image's bill of materials, as CycloneDX and SPDX: Trivy writes both from the scan that has been made already.

What Trivy cannot see is added: the model, by the digest of its files, and the base image.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from cd4ml.errors import UnavailableError
from cd4ml.image.findings import without
from cd4ml.image.ignores import normal
from cd4ml.image.scan import own_environment, written
from cd4ml.process.programs import required

_NONE: Final = "NOASSERTION"
_PYTHON: Final = re.compile(r"pkg:pypi/(?P<name>[^@?#]+)@(?P<version>[^?#]+)")
_LOCKED: Final = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[\w.,-]*\])?==(?P<version>[^\s;]+)", re.M)


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """Something in the image that is no package.

    Attributes:
        kind: `model` or `base`.
        sha256: hexadecimal, of what `comment` says.
        purl: its package URL, where it has one.
    """

    kind: str
    name: str
    version: str
    sha256: str
    comment: str
    purl: str = ""


@dataclass(frozen=True, kw_only=True)
class Sbom:
    """Both documents, and the Python packages that both name, with their versions."""

    cyclonedx: bytes
    spdx: bytes
    packages: frozenset[tuple[str, str]]


def sbom(
    result: Path, scratch: Path, *, image: str, added: Sequence[Ingredient], trivy: str, environ: Mapping[str, str]
) -> Sbom:
    """Write both documents of a scan.

    Args:
        result: Trivy's report in JSON, with all packages.
        image: what the documents call the image.
        added: what else is in it.

    Raises:
        UnavailableError: Trivy cannot turn its own report into them.
    """
    source = scratch / "packages.json"
    source.write_bytes(_without_findings(result, image))
    documents = {
        kind: _converted(source, scratch / f"{kind}.json", kind, trivy=trivy, environ=environ)
        for kind in ("cyclonedx", "spdx-json")
    }
    cyclonedx, spdx = documents["cyclonedx"], documents["spdx-json"]
    try:
        for one in added:
            _add_to_cyclonedx(cyclonedx, one)
            _add_to_spdx(spdx, one)
        found = _named(cyclonedx) & _named_in_spdx(spdx)
    except (LookupError, TypeError, AttributeError) as error:
        raise UnavailableError(f"Trivy wrote a bill of materials that cannot be read: {error}.") from error
    return Sbom(cyclonedx=_text(cyclonedx), spdx=_text(spdx), packages=found)


def _without_findings(result: Path, image: str) -> bytes:
    """Return a scan's report without findings, under the image's name."""
    document = without(json.loads(result.read_text(encoding="utf-8")))
    document["ArtifactName"] = image
    return _text(document)


def _converted(source: Path, target: Path, kind: str, *, trivy: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return Trivy's report in another format."""
    command = [trivy, "convert", "--quiet", "--format", kind, "--output", str(target.absolute())]
    with tempfile.TemporaryDirectory(prefix="cd4ml-trivy-") as empty:
        required(
            [*command, str(source.absolute())],
            "Trivy cannot write the bill of materials",
            environ=own_environment(environ),
            seconds=300,
            folder=Path(empty),
        )
    return written(target, "bill of materials")


def _add_to_cyclonedx(document: dict[str, Any], one: Ingredient) -> None:
    """Add a component that the image depends on."""
    reference = one.purl or f"{one.kind}:{one.sha256}"
    component = {
        "bom-ref": reference,
        "type": "machine-learning-model" if one.kind == "model" else "container",
        "name": one.name,
        "version": one.version,
        "hashes": [{"alg": "SHA-256", "content": one.sha256}],
        "description": one.comment,
    }
    document.setdefault("components", []).append({**component, "purl": one.purl} if one.purl else component)
    root = document["metadata"]["component"]["bom-ref"]
    links = document.setdefault("dependencies", [])
    next(item for item in links if item["ref"] == root).setdefault("dependsOn", []).append(reference)
    links.append({"ref": reference, "dependsOn": []})


def _add_to_spdx(document: dict[str, Any], one: Ingredient) -> None:
    """Add a package that the image contains."""
    identifier = f"SPDXRef-{one.kind.capitalize()}-{one.sha256[:16]}"
    package = {
        "name": one.name,
        "SPDXID": identifier,
        "versionInfo": one.version,
        "supplier": _NONE,
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
        "checksums": [{"algorithm": "SHA256", "checksumValue": one.sha256}],
        "primaryPackagePurpose": "OTHER" if one.kind == "model" else "CONTAINER",
        "comment": one.comment,
    }
    if one.purl:
        link = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": one.purl}
        package["externalRefs"] = [link]
    described = [item for item in document["relationships"] if item["relationshipType"] == "DESCRIBES"]
    root, kind = described[0]["relatedSpdxElement"], "CONTAINS" if one.kind == "model" else "DESCENDANT_OF"
    document["packages"].append(package)
    document["relationships"].append(
        {"spdxElementId": root, "relatedSpdxElement": identifier, "relationshipType": kind}
    )


def _named(document: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return the Python packages that CycloneDX names."""
    return _python(item.get("purl", "") for item in document["components"])


def _named_in_spdx(document: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return the Python packages that SPDX names."""
    links = (link for package in document["packages"] for link in package.get("externalRefs") or ())
    return _python(link["referenceLocator"] for link in links)


def _python(addresses: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Return the Python packages among package URLs."""
    matches = filter(None, map(_PYTHON.match, addresses))
    return frozenset((normal(match["name"]), unquote(match["version"])) for match in matches)


def locked_packages(lock: str) -> frozenset[tuple[str, str]]:
    """Return the packages that a lock names, with their versions."""
    return frozenset((normal(match["name"]), match["version"]) for match in _LOCKED.finditer(lock))


def _text(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is written."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
