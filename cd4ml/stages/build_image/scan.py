"""The image is scanned for known vulnerabilities, as it would be pushed."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.image.scan import open_in, scan_checks
from cd4ml.image import scan
from cd4ml.image.builders.builder import Image
from cd4ml.image.ignores import Ignore
from cd4ml.image.reference import Reference
from cd4ml.image.scan import Finding, Scan
from cd4ml.report import Check
from cd4ml.stages.build_image.conversion import Road
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.report import Part

_MOST_FINDINGS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What the scanner saw, what of it was accepted beforehand, and what was decided."""

    scan: Scan
    ignores: Sequence[Ignore]
    checks: Sequence[Check]
    open: Sequence[Finding]

    @property
    def part(self) -> Part:
        """See Found."""
        found = self.scan
        details = {
            "trivy": found.trivy_version,
            "database_updated_at": found.database_updated_at.isoformat(),
            "distribution": found.distribution,
            "end_of_life": found.end_of_life,
            "packages": len(found.packages),
            "by_severity": dict(Counter(finding.severity for finding in found.findings)),
            "findings": self._listed(),
            "ignores": [{**asdict(entry), "expires": entry.expires.isoformat()} for entry in self.ignores],
        }
        return Part(checks=self.checks, details={"scan": details})

    def _listed(self) -> list[dict[str, Any]]:
        """Return the vulnerabilities as the report lists them, those that block first."""
        blocking = [finding in self.open for finding in self.scan.findings]
        found = [{**asdict(one), "open": open} for one, open in zip(self.scan.findings, blocking, strict=True)]
        return sorted(found, key=lambda item: not item["open"])[:_MOST_FINDINGS]


def scan_image(inputs: Inputs, road: Road, reference: Reference, image: Image) -> Scanned:
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
    )
    archive.unlink()
    rules: dict[str, Any] = {
        "severities": inputs.severities,
        "ignores": inputs.ignores,
        "ignore_unfixed": options.ignore_unfixed,
        "today": datetime.datetime.now(datetime.UTC).date(),
    }
    checks = scan_checks(
        found,
        **rules,
        maximum_age_days=options.maximum_database_age,
        image_id=image.id,
        runtime=str(road.runtime),
    )
    return Scanned(scan=found, ignores=inputs.ignores, checks=checks, open=open_in(found, **rules))
