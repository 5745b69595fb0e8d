"""The image is scanned for known vulnerabilities, secrets and licences, as it would be pushed."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from cd4ml.checks.image.licenses import open_licenses
from cd4ml.checks.image.scan import open_in, scan_checks
from cd4ml.checks.image.secrets import open_secrets
from cd4ml.image import scan
from cd4ml.image.builders.builder import Image
from cd4ml.image.findings import Finding, License, Secret
from cd4ml.image.ignores import Ignore
from cd4ml.image.reference import Reference
from cd4ml.image.scan import LICENSES, SECRETS, Scan
from cd4ml.image.statements import Vex
from cd4ml.report import Check
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.conversion import Road
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.report import Part
from cd4ml.stages.build_image.sources import Sources

_MOST_FINDINGS: Final = 100
FoundT = TypeVar("FoundT", Finding, Secret, License)


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What the scanner saw, what of it was accepted beforehand, and what was decided; `open` are those that block."""

    scan: Scan
    ignores: Sequence[Ignore]
    checks: Sequence[Check]
    open: Sequence[Finding]
    open_secrets: Sequence[Secret]
    open_licenses: Sequence[License]
    base_layers: Sequence[str]
    sources: Sources
    vex: Vex | None

    @property
    def part(self) -> Part:
        """See Found."""
        found = self.scan
        details = {
            "trivy": found.trivy_version,
            "scanners": list(found.scanners),
            "database_updated_at": found.database_updated_at.isoformat(),
            "distribution": found.distribution,
            "end_of_life": found.end_of_life,
            "packages": len(found.packages),
            "base_packages": sum(found.by_layer.get(layer, 0) for layer in set(self.base_layers)),
            "by_severity": dict(Counter(finding.severity for finding in found.findings)),
            "findings": _listed(found.findings, self.open, self._of_vulnerability),
            "ignores": [{**asdict(entry), "expires": entry.expires.isoformat()} for entry in self.ignores],
        }
        if self.vex is not None:
            details["vex"] = self._vex(self.vex)
        if SECRETS in found.scanners:
            details["secrets"] = _listed(found.secrets, self.open_secrets, self._of_secret)
        if LICENSES in found.scanners:
            details["licenses"] = self._licenses()
        return Part(checks=self.checks, details={"scan": details})

    def _of_vulnerability(self, finding: Finding) -> dict[str, Any] | None:
        return self.sources.of_package(finding.package) if finding.kind == "library" else None

    def _of_secret(self, secret: Secret) -> dict[str, Any] | None:
        return self.sources.of_file(secret.path, secret.line)

    def _of_license(self, license: License) -> dict[str, Any] | None:
        return self.sources.of_package(license.package) if license.kind == "library" else None

    def _vex(self, vex: Vex) -> dict[str, Any]:
        """Return what the VEX document took away, and why."""
        gone = [
            {**asdict(one.finding), "status": one.status, "justification": one.reason}
            for one in self.scan.suppressed[:_MOST_FINDINGS]
        ]
        return {"path": vex.path, "sha256": vex.sha256, "statements": len(vex.statements), "suppressed": gone}

    def _licenses(self) -> dict[str, Any]:
        """Return how many packages have which licence, the commonest first, and those that block."""
        found = self.scan.licenses
        return {
            "by_category": dict(Counter(license.category for license in found).most_common()),
            "by_license": dict(Counter(license.id for license in found).most_common(_MOST_FINDINGS)),
            "forbidden": [
                {key: value for key, value in item.items() if key not in ("text", "parts")}
                for item in _listed(self.open_licenses, self.open_licenses, self._of_license)
            ],
        }


def _listed(
    found: Sequence[FoundT], blocking: Collection[object], source: Callable[[FoundT], dict[str, Any] | None]
) -> list[dict[str, Any]]:
    """Return findings as the report lists them, those that block first, each with its place in the repository."""
    listed = [{**asdict(one), "open": one in blocking, "source": source(one)} for one in found]
    return sorted(listed, key=lambda item: not item["open"])[:_MOST_FINDINGS]


def scan_image(inputs: Inputs, base: BaseImage, road: Road, reference: Reference, image: Image) -> Scanned:
    """Scan the image, and decide on what was found."""
    options, context = inputs.options, inputs.context
    context.progress("Scanning the image with Trivy")
    archive = inputs.scratch / "image.tar"
    inputs.builder.archive(str(reference), archive)
    found = scan.scan(
        archive,
        inputs.scratch,
        trivy=inputs.trivy,
        cache=Path(options.trivy_cache) if options.trivy_cache else None,
        offline=options.scan_offline,
        environ=context.environ,
        scanners=tuple(dict.fromkeys(options.scanners)),
        vex=inputs.vex,
        parts=bool(inputs.forbidden),
    )
    archive.unlink()
    today = datetime.datetime.now(datetime.UTC).date()
    rules: dict[str, Any] = {
        "severities": inputs.severities,
        "ignores": inputs.ignores,
        "ignore_unfixed": options.ignore_unfixed,
        "today": today,
    }
    checks = scan_checks(
        found,
        **rules,
        maximum_age_days=options.maximum_database_age,
        image_id=image.id,
        runtime=str(road.runtime),
        forbidden=inputs.forbidden,
    )
    return Scanned(
        scan=found,
        ignores=inputs.ignores,
        checks=checks,
        open=open_in(found, **rules),
        open_secrets=open_secrets(found.secrets, inputs.ignores, today),
        open_licenses=open_licenses(found.licenses, inputs.forbidden, inputs.ignores, today),
        base_layers=base.resolved.layers,
        sources=Sources(options.model),
        vex=inputs.vex,
    )
