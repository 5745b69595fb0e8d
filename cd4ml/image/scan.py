"""Scanning the image with Trivy. A scan that did not happen, or did not see the image, is never a clean one."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.findings import (
    SEVERITIES,
    Finding,
    License,
    Secret,
    Suppressed,
    count,
    licenses,
    packages,
    secrets,
    vulnerabilities,
)
from cd4ml.image.ignores import normal
from cd4ml.image.license_categories import with_parts
from cd4ml.image.statements import Vex
from cd4ml.process.programs import completed, required

# As Trivy's `--scanners` names them; vulnerabilities are always looked for.
VULNERABILITIES: Final = "vuln"
SECRETS: Final = "secret"
LICENSES: Final = "license"
SCANNERS: Final = (VULNERABILITIES, SECRETS, LICENSES)
# Trivy's own 1 means that it could not look; findings get a code that nothing else uses.
_FINDINGS: Final = 7
# Of Trivy's own variables, those that say where its database comes from and how it is reached. Any other may leave
# findings out (TRIVY_SEVERITY, TRIVY_IGNOREFILE, TRIVY_SKIP_DIRS …), and what is left out nobody would see.
_KEPT: Final = frozenset(
    {
        "TRIVY_CACHE_DIR",
        "TRIVY_DB_REPOSITORY",
        "TRIVY_JAVA_DB_REPOSITORY",
        "TRIVY_INSECURE",
        "TRIVY_PASSWORD",
        "TRIVY_REGISTRY_TOKEN",
        "TRIVY_TIMEOUT",
        "TRIVY_USERNAME",
    }
)
_INSTALL: Final = (
    "Install it as https://trivy.dev says (in a workflow: `prepare-build` of pipeline.yml), or name its program with "
    "--trivy."
)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A scan that took place.

    Attributes:
        image_id: configuration digest of the image that was scanned.
        suppressed: vulnerabilities that do not count by the VEX document.
        scanners: what was looked for.
        packages: names of the packages that Trivy saw, Python's and the system's, in PEP 503's spelling.
        system_packages: how many of them are the system's.
        by_layer: how many of them each layer brings, by the digest of its content.
        database_updated_at: when the vulnerability database was made.
        end_of_life: whether the base's distribution gets no more fixes.
    """

    findings: Sequence[Finding]
    secrets: Sequence[Secret] = ()
    licenses: Sequence[License] = ()
    suppressed: Sequence[Suppressed] = ()
    scanners: Sequence[str] = SCANNERS
    image_id: str
    packages: Sequence[str]
    system_packages: int
    by_layer: Mapping[str, int] = field(default_factory=dict)
    distribution: str
    end_of_life: bool
    database_updated_at: datetime.datetime
    trivy_version: str


def severities(names: Sequence[str]) -> tuple[str, ...]:
    """Return the severities that block, in Trivy's spelling: the named ones, and what is worse than one of them.

    Raises:
        OptionsError: there is none, or one that Trivy does not know, or only UNKNOWN, which has no rank.
    """
    upper = tuple(dict.fromkeys(name.upper() for name in names))
    unknown = [name for name in upper if name not in SEVERITIES]
    if unknown or not upper:
        raise OptionsError(f"severity: expected some of {', '.join(SEVERITIES)}; got {', '.join(unknown) or 'none'}")
    if upper == ("UNKNOWN",):
        raise OptionsError("severity: UNKNOWN alone lets CRITICAL pass", advice="Add CRITICAL or a lower severity.")
    mildest = max(SEVERITIES.index(name) for name in upper if name != "UNKNOWN")
    return (*upper, *(name for name in SEVERITIES[:mildest] if name not in upper))


def find_trivy(named: str | None, environ: Mapping[str, str]) -> str:
    """Return Trivy's path.

    Raises:
        UnavailableError: it is not there.
    """
    program = shutil.which(named or "trivy", path=environ.get("PATH", ""))
    if program is None:
        raise UnavailableError(
            f"Trivy was not found ({named or 'trivy, on PATH'}): nothing was scanned.", advice=_INSTALL
        )
    return program


def scan(
    archive: Path,
    scratch: Path,
    *,
    trivy: str,
    cache: Path | None,
    offline: bool,
    environ: Mapping[str, str],
    scanners: Sequence[str] = SCANNERS,
    vex: Vex | None = None,
    parts: bool = True,
) -> Scan:
    """Scan an image's archive.

    Args:
        archive: the image as a file, in docker's format.
        scratch: folder for the result.
        cache: Trivy's cache folder, where its database is; None for Trivy's own place.
        offline: use the database as it is there, and fetch nothing.
        scanners: what is looked for.
        vex: which vulnerabilities do not affect.
        parts: whether licences are to be judged, and Trivy is asked for the category of each part of an expression.

    Raises:
        UnavailableError: Trivy could not look: no database, no network, an unreadable image, an answer that does not
            fit its exit code.
    """
    result = result_in(scratch)
    program, own = os.path.abspath(trivy), own_environment(environ)
    place = ["--cache-dir", str(cache.absolute())] if cache else []
    fetch = ["--skip-db-update", "--skip-java-db-update", "--skip-check-update", "--offline-scan"] if offline else []
    arguments = ["image", *place, *fetch, "--input", str(archive.absolute()), "--list-all-pkgs"]
    arguments += ["--scanners", ",".join(scanners)]
    # The variables and the commands that the image's configuration keeps are not among its files.
    arguments += ["--image-config-scanners", "secret"] if SECRETS in scanners else []
    arguments += ["--format", "json", "--output", str(result), "--exit-code", str(_FINDINGS), "--quiet"]
    # The project's folder may hold a .trivyignore or a trivy.yaml: accepting is the ignore file's business, with a day.
    with tempfile.TemporaryDirectory(prefix="cd4ml-trivy-") as empty:
        done = completed([program, *arguments], environ=own, seconds=1800, folder=Path(empty))
    if done.code not in (0, _FINDINGS):
        raise UnavailableError(
            f"Trivy could not scan the image (exit code {done.code}): {done.last_words()}",
            advice="Its database must be reachable, or be in --trivy-cache with --scan-offline.",
        )
    document = written(result, "report")
    findings = count(document)
    if bool(findings) != (done.code == _FINDINGS):
        raise UnavailableError(f"Trivy ended with {done.code}, which does not fit its {findings} findings.")
    version, updated = _version(program, place, own, scratch, 600)
    found = _scan(document, scanners, vex, version, updated)
    return replace(found, licenses=with_parts(found.licenses, program, place, own)) if parts else found


def result_in(scratch: Path) -> Path:
    """Return where a scan leaves Trivy's report."""
    return scratch.absolute() / "trivy.json"


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings that could take findings away; a relative cache folder stays in place."""
    own = {key: value for key, value in environ.items() if not key.startswith("TRIVY_") or key in _KEPT}
    if own.get("TRIVY_CACHE_DIR"):
        own["TRIVY_CACHE_DIR"] = os.path.abspath(own["TRIVY_CACHE_DIR"])
    return own


def _scan(
    document: Mapping[str, Any], scanners: Sequence[str], vex: Vex | None, version: str, updated: datetime.datetime
) -> Scan:
    """Put together what the scan says."""
    metadata = document.get("Metadata") or {}
    system = metadata.get("OS") or {}
    seen = list(packages(document))
    findings, suppressed = vulnerabilities(document, vex)
    return Scan(
        findings=findings,
        suppressed=suppressed,
        secrets=secrets(document),
        licenses=licenses(document) if LICENSES in scanners else (),
        scanners=tuple(scanners),
        image_id=str(metadata.get("ImageID") or ""),
        packages=sorted({normal(item.get("Name", "")) for _, item in seen}),
        system_packages=sum(kind == "os" for kind, _ in seen),
        by_layer=Counter(layer for layer, _ in {(_layer(item), normal(item.get("Name", ""))) for _, item in seen}),
        distribution=f"{system.get('Family', 'unknown')} {system.get('Name', '')}".strip(),
        end_of_life=bool(system.get("EOSL")),
        database_updated_at=updated,
        trivy_version=version,
    )


def _layer(package: Mapping[str, Any]) -> str:
    """Return the digest of the layer that a package came with."""
    return str((package.get("Layer") or {}).get("DiffID"))


def written(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object that Trivy wrote.

    Raises:
        UnavailableError: there is none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnavailableError(f"Trivy wrote no readable {what}: {error}.") from error
    if not isinstance(document, dict):
        raise UnavailableError(f"Trivy's {what} is not a JSON object.")
    return document


def database(
    trivy: str, *, cache: Path | None, environ: Mapping[str, str], seconds: float
) -> tuple[str, datetime.datetime]:
    """Return Trivy's version and when the database that is in its cache was made.

    Raises:
        UnavailableError: there is none, or Trivy does not answer in time.
    """
    place = ["--cache-dir", str(cache.absolute())] if cache else []
    with tempfile.TemporaryDirectory(prefix="cd4ml-trivy-") as empty:
        return _version(os.path.abspath(trivy), place, own_environment(environ), Path(empty), seconds)


def _version(
    trivy: str, place: Sequence[str], environ: Mapping[str, str], folder: Path, seconds: float
) -> tuple[str, datetime.datetime]:
    """Return Trivy's version and when its vulnerability database was made."""
    arguments = ["version", "--format", "json", *place]
    said = required(
        [trivy, *arguments], "Trivy does not report its version", environ=environ, seconds=seconds, folder=folder
    )
    try:
        document = json.loads(said)
        # Trivy writes nanoseconds, which Python does not read.
        moment = re.sub(r"\.\d+", "", document["VulnerabilityDB"]["UpdatedAt"])
        return str(document["Version"]), datetime.datetime.fromisoformat(moment)
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError("Trivy does not report how old its database is, so its scan proves nothing.") from error
