"""The bill of materials of the image that was scanned: both documents, beside the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.checks.image.sbom import sbom_check
from cd4ml.image.reference import repository_of
from cd4ml.image.sbom import Ingredient, Sbom, locked_packages, sbom
from cd4ml.image.scan import result_in
from cd4ml.inputs.runtime import Runtime
from cd4ml.report import Check
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.build import Built
from cd4ml.stages.build_image.conversion import Road
from cd4ml.stages.build_image.documents import written
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate
from cd4ml.stages.build_image.report import Part

CYCLONEDX: Final = "sbom.cyclonedx.json"
SPDX: Final = "sbom.spdx.json"


@dataclass(frozen=True, kw_only=True)
class Materials:
    """What the image is made of.

    Attributes:
        files: digests of the documents by their paths in the folder of reports.
    """

    sbom: Sbom
    check: Check
    files: Mapping[str, str]

    @property
    def part(self) -> Part:
        """See Found."""
        return Part(checks=(self.check,), details={"sbom": dict(self.files)})


def list_materials(inputs: Inputs, candidate: Candidate, base: BaseImage, road: Road, built: Built) -> Materials:
    """Write both documents, and decide whether they name what was locked."""
    inputs.context.progress("Writing the bill of materials")
    found = sbom(
        result_in(inputs.scratch),
        inputs.scratch,
        image=str(built.reference),
        added=(*_models(candidate, road), *_base(base)),
        trivy=inputs.trivy,
        environ=inputs.context.environ,
    )
    files = written(inputs, {CYCLONEDX: found.cyclonedx, SPDX: found.spdx})
    return Materials(sbom=found, check=sbom_check(found.packages, locked_packages(built.lock)), files=files)


def _models(candidate: Candidate, road: Road) -> Iterator[Ingredient]:
    """Yield the model, and what was made of it if that is served in its place."""
    identity = candidate.identity
    if road.runtime is Runtime.ONNX and road.sha256:
        yield Ingredient(
            kind="model",
            name=f"{candidate.name}.onnx",
            version=road.sha256[:12],
            sha256=road.sha256,
            comment="SHA-256 of the manifest of the converted model, which is proven equal and served in its place.",
        )
    yield Ingredient(
        kind="model",
        name=candidate.name,
        version=identity.version or identity.sha256[:12],
        sha256=identity.sha256,
        comment="SHA-256 of the manifest of the model's files, one line `<sha256>  <path>` each, sorted by path.",
    )


def _base(base: BaseImage) -> tuple[Ingredient, ...]:
    """Return the base image as an ingredient, where its digest is known."""
    resolved = base.resolved
    if not resolved.digest:
        return ()
    place = repository_of(resolved.reference.name)
    return (
        Ingredient(
            kind="base",
            name=resolved.wanted,
            version=resolved.digest,
            sha256=resolved.digest.removeprefix("sha256:"),
            comment="The base image; SHA-256 of its manifest.",
            purl=f"pkg:oci/{place.rpartition('/')[2]}@{resolved.digest.replace(':', '%3A')}"
            f"?repository_url={place.replace(':', '%3A')}",
        ),
    )
