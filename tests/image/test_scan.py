"""What Trivy's answers mean: only a scan that took place and saw the image can be clean."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cd4ml.checks.image.scan import open_in, scan_checks
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.findings import UNSTATED, Finding, License, Secret, Suppressed
from cd4ml.image.ignores import LICENSES, SECRETS, Ignore
from cd4ml.image.licenses import forbidden
from cd4ml.image.scan import Scan, find_trivy, scan, severities
from cd4ml.report import Status
from tests.conftest import need_program
from tests.image.archives import DATABASE, archive, scanned

TODAY = datetime.date(2026, 11, 24)
FINDING = Finding(
    id="CVE-2024-1", severity="HIGH", package="Jinja2", installed="3.1.2", fixed="3.1.5", title="t", target="Python"
)
MIT = License(id="MIT", category="notice", package="msgspec", kind="library")
TOKEN = Secret(id="github-pat", severity="CRITICAL", title="GitHub token", path="/app/model/notes.txt", line=3)
CLEAN = Scan(
    findings=(),
    licenses=(MIT,),
    image_id="sha256:1",
    packages=("mlflow-skinny", "msgspec", "uvicorn"),
    system_packages=1,
    distribution="debian 12",
    end_of_life=False,
    database_updated_at=datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC),
    trivy_version="0.74.0",
)


def verdict(
    found: Scan,
    *ignores: Ignore,
    ignore_unfixed: bool = False,
    image_id: str = "sha256:1",
    licenses: Sequence[str] = (),
) -> dict[str, Status]:
    """Return the statuses of the checks on a scan."""
    checks = scan_checks(
        found,
        severities=("CRITICAL", "HIGH"),
        ignores=ignores,
        ignore_unfixed=ignore_unfixed,
        today=TODAY,
        maximum_age_days=7,
        image_id=image_id,
        forbidden=forbidden(licenses),
    )
    return {check.id: check.status for check in checks}


def test_open__what_blocks_and_is_not_accepted_today() -> None:
    """The vulnerabilities that a report calls open are those of the severities that no entry accepts today."""
    milder = dataclasses.replace(FINDING, id="CVE-2024-2", severity="LOW")
    unfixed = dataclasses.replace(FINDING, id="CVE-2024-3", fixed="")
    found = dataclasses.replace(CLEAN, findings=(FINDING, milder, unfixed))

    def ids(*ignores: Ignore, ignore_unfixed: bool = False) -> list[str]:
        """Return the ids of what is open."""
        rules = {"severities": ("CRITICAL", "HIGH"), "ignores": ignores, "ignore_unfixed": ignore_unfixed}
        return [one.id for one in open_in(found, **rules, today=TODAY)]  # type: ignore[arg-type]

    accepted = Ignore(id="CVE-2024-1", reason="Known.", expires=TODAY)
    expired = Ignore(id="CVE-2024-1", reason="Known.", expires=TODAY - datetime.timedelta(days=1))
    assert ids() == ["CVE-2024-1", "CVE-2024-3"]
    assert ids(ignore_unfixed=True) == ["CVE-2024-1"]
    assert ids(accepted) == ["CVE-2024-3"] and ids(expired) == ids()


def test_distribution_without_fixes__blocks() -> None:
    """Of a distribution that is not maintained no new vulnerability is reported: finding none means nothing."""
    blocked = verdict(dataclasses.replace(CLEAN, end_of_life=True))

    assert {name for name, status in blocked.items() if status is not Status.PASSED} == {"distribution-maintained"}


def test_a_clean_scan_passes() -> None:
    """No finding, the right image and a fresh database pass."""
    assert set(verdict(CLEAN).values()) == {Status.PASSED}


@pytest.mark.parametrize(
    ("change", "id", "status"),
    [
        ({"findings": (FINDING,)}, "vulnerabilities", Status.FAILED),
        ({"findings": (dataclasses.replace(FINDING, fixed=""),)}, "vulnerabilities", Status.FAILED),
        ({"secrets": (TOKEN,)}, "secrets", Status.FAILED),
        ({"secrets": (dataclasses.replace(TOKEN, severity="LOW"),)}, "secrets", Status.FAILED),
        ({"licenses": ()}, "licenses", Status.ERROR),
        ({"licenses": (dataclasses.replace(MIT, id=UNSTATED),)}, "licenses", Status.ERROR),
        ({"packages": ()}, "scan-covers-image", Status.ERROR),
        ({"packages": ("msgspec", "uvicorn")}, "scan-covers-image", Status.ERROR),
        ({"image_id": "sha256:2"}, "scan-covers-image", Status.ERROR),
        ({"distribution": "unknown"}, "scan-covers-image", Status.ERROR),
        ({"distribution": "debian trixie/sid"}, "scan-covers-image", Status.ERROR),
        ({"system_packages": 0}, "scan-covers-image", Status.ERROR),
        (
            {"database_updated_at": datetime.datetime(2027, 11, 1, tzinfo=datetime.UTC)},
            "scan-database",
            Status.ERROR,
        ),
        (
            {"database_updated_at": datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)},
            "scan-database",
            Status.ERROR,
        ),
    ],
)
def test_what_blocks(change: dict[str, Any], id: str, status: Status) -> None:
    """A finding or a secret fails; a scan of nothing, of something else or with an old database is an error."""
    assert verdict(dataclasses.replace(CLEAN, **change))[id] is status


def test_findings_below_the_limit_pass() -> None:
    """A MEDIUM finding does not block where CRITICAL and HIGH do."""
    found = dataclasses.replace(CLEAN, findings=(dataclasses.replace(FINDING, severity="MEDIUM"),))
    assert verdict(found)["vulnerabilities"] is Status.PASSED


def test_vex__what_it_suppresses_is_told() -> None:
    """A vulnerability that does not count blocks nothing, and the check says that it was suppressed; others block."""
    gone = Suppressed(finding=FINDING, status="not_affected", reason="component_not_present")
    rules: dict[str, Any] = {"severities": ("HIGH",), "ignores": (), "ignore_unfixed": False, "today": TODAY}
    other = dataclasses.replace(FINDING, id="CVE-2024-2")
    for findings, status in (((), Status.PASSED), ((other,), Status.FAILED)):
        found = dataclasses.replace(CLEAN, findings=findings, suppressed=(gone,))
        checks = scan_checks(found, **rules, maximum_age_days=7, image_id="sha256:1")
        (check,) = (one for one in checks if one.id == "vulnerabilities")
        assert check.status is status and "1 suppressed by the VEX document." in check.message


def test_unfixed_findings_pass_only_on_demand() -> None:
    """Without a fix a finding blocks, unless the user says otherwise; a fixed one blocks all the same."""
    unfixed = dataclasses.replace(CLEAN, findings=(dataclasses.replace(FINDING, fixed=""),))
    assert verdict(unfixed, ignore_unfixed=True)["vulnerabilities"] is Status.PASSED
    fixed = dataclasses.replace(CLEAN, findings=(FINDING,))
    assert verdict(fixed, ignore_unfixed=True)["vulnerabilities"] is Status.FAILED


@pytest.mark.parametrize(
    ("package", "day", "status"),
    [
        ("jinja2", TODAY, Status.PASSED),
        (None, TODAY, Status.PASSED),
        ("jinja2", TODAY - datetime.timedelta(days=1), Status.FAILED),
        ("markupsafe", TODAY, Status.FAILED),
    ],
)
def test_acceptance_ends(package: str | None, day: datetime.date, status: Status) -> None:
    """An entry accepts its own package through its day, and nothing after it."""
    found = dataclasses.replace(CLEAN, findings=(FINDING,))
    entry = Ignore(id="CVE-2024-1", reason="x", expires=day, package=package)
    assert verdict(found, entry)["vulnerabilities"] is status


@pytest.mark.parametrize(
    ("path", "rule", "day", "status"),
    [
        ("app/model/notes.txt", "github-pat", TODAY, Status.PASSED),
        ("/app/model/notes.txt", "github-pat", TODAY - datetime.timedelta(days=1), Status.FAILED),
        ("/app/model/other.txt", "github-pat", TODAY, Status.FAILED),
        ("/app/model/notes.txt", "private-key", TODAY, Status.FAILED),
    ],
)
def test_secrets__accepted_in_one_file(path: str, rule: str, day: datetime.date, status: Status) -> None:
    """An entry accepts what its rule finds in its own file through its day, and nothing else."""
    found = dataclasses.replace(CLEAN, secrets=(TOKEN,))
    entry = Ignore(id=rule, reason="x", expires=day, path=path, section=SECRETS)
    assert verdict(found, entry)["secrets"] is status
    vulnerability = Ignore(id=rule, reason="x", expires=day)
    assert verdict(found, vulnerability)["secrets"] is Status.FAILED


def test_licenses__forbidden_until_accepted() -> None:
    """A licence blocks where it is forbidden, for all packages or Python's, unless an entry accepts it for one."""
    system = License(id="GPL-3.0-only", category="restricted", package="bash", kind="os")
    ours = License(id="GPL-3.0-only", category="restricted", package="Agpl_Lib", kind="library")
    found = dataclasses.replace(CLEAN, licenses=(MIT, system, ours))

    def decided(*names: str, package: str | None = None) -> Status:
        """Return what is decided with these names, with an entry for a package if one is named."""
        entry = Ignore(id="GPL-3.0-only", reason="x", expires=TODAY, package=package, section=LICENSES)
        return verdict(found, *([entry] if package else []), licenses=names)["licenses"]

    assert decided() is Status.PASSED and decided("AGPL-3.0-only", "reciprocal") is Status.PASSED
    assert decided("gpl-3.0-only") is decided("restricted") is decided("library:restricted") is Status.FAILED
    assert decided("library:restricted", package="agpl-lib") is Status.PASSED
    assert decided("restricted", package="agpl-lib") is Status.FAILED


def test_scanners__what_was_not_looked_for_is_not_decided() -> None:
    """Without the scanners for secrets and licences there is no check that could pass for them."""
    assert not {"secrets", "licenses"} & set(verdict(dataclasses.replace(CLEAN, scanners=("vuln",))))


def test_severities_are_trivys() -> None:
    """Severities are read in any case, worse ones than the named block too; unknown ones and none are refused."""
    assert severities(["high", "CRITICAL", "HIGH"]) == ("HIGH", "CRITICAL")
    assert severities(["MEDIUM", "UNKNOWN"]) == ("MEDIUM", "UNKNOWN", "CRITICAL", "HIGH")
    for bad in (["SEVERE"], [], ["UNKNOWN"]):
        with pytest.raises(OptionsError):
            severities(bad)


def test_a_missing_trivy_says_how_to_get_it() -> None:
    """Without Trivy nothing is scanned, and the message says what to install."""
    with pytest.raises(UnavailableError) as caught:
        find_trivy(None, {"PATH": "/nonexistent"})
    assert "Trivy" in caught.value.message and "Install" in caught.value.advice


def fake(folder: Path, code: int, document: Any, version: str = "") -> str:
    """Write a program that answers as Trivy might."""
    (folder / "answer.json").write_text(json.dumps(document))
    path = folder / "trivy"
    path.write_text(
        "#!/bin/sh\n"
        f"if [ \"$1\" = version ]; then echo '{version}'; exit 0; fi\n"
        'while [ "$1" != --output ]; do shift; done\n'
        f'cp "{folder}/answer.json" "$2"\nexit {code}\n'
    )
    path.chmod(0o755)
    return str(path)


VULNERABLE = {"Results": [{"Target": "t", "Vulnerabilities": [{"VulnerabilityID": "CVE-1", "Severity": "LOW"}]}]}
VERSION = '{"Version": "0.74.0", "VulnerabilityDB": {"UpdatedAt": "2026-11-24T10:00:00.123456789Z"}}'


@pytest.mark.parametrize(
    ("code", "document", "version"),
    [
        (1, {"Results": []}, VERSION),
        (0, VULNERABLE, VERSION),
        (7, {"Results": []}, VERSION),
        (0, [], VERSION),
        (0, {"Results": []}, '{"Version": "0.74.0"}'),
        (0, {"Results": []}, "not JSON"),
        (139, {"Results": []}, VERSION),
    ],
)
def test_an_answer_that_does_not_fit_is_unavailable(tmp_path: Path, code: int, document: Any, version: str) -> None:
    """Trivy's own exit code 1, a crash, findings without their code and a database of unknown age prove nothing."""
    trivy = fake(tmp_path, code, document, version)
    with pytest.raises(UnavailableError):
        scan(tmp_path / "image.tar", tmp_path, trivy=trivy, cache=None, offline=True, environ=dict(os.environ))


def test_findings_with_their_code_are_read(tmp_path: Path) -> None:
    """Exit code 7 with findings is a scan that took place."""
    trivy = fake(tmp_path, 7, VULNERABLE, VERSION)
    found = scan(tmp_path / "image.tar", tmp_path, trivy=trivy, cache=None, offline=True, environ=dict(os.environ))
    assert [item.id for item in found.findings] == ["CVE-1"]


def test_the_real_trivy_without_a_database_is_unavailable(tmp_path: Path) -> None:
    """Trivy itself, with an empty cache and no download, ends in an error and not in a clean scan."""
    nothing = tmp_path / "image.tar"
    with tarfile.open(nothing, "w"):
        pass
    with pytest.raises(UnavailableError, match="could not scan"):
        scan(
            nothing,
            tmp_path,
            trivy=need_program("trivy"),
            cache=tmp_path / "empty",
            offline=True,
            environ=dict(os.environ),
        )


@pytest.mark.parametrize(
    ("files", "extra"),
    [
        ({}, {}),
        ({".trivyignore": "CVE-2024-56326\n"}, {}),
        (
            {".trivyignore.yaml": "vulnerabilities:\n  - id: CVE-2024-56326\n"},
            {"TRIVY_IGNOREFILE": ".trivyignore.yaml"},
        ),
        ({"trivy.yaml": "severity: [CRITICAL]\n"}, {}),
        ({"mine.yaml": "severity: [CRITICAL]\n"}, {"TRIVY_CONFIG": "mine.yaml"}),
        ({}, {"TRIVY_SEVERITY": "CRITICAL"}),
        ({}, {"TRIVY_IGNORE_STATUS": "fixed"}),
        ({}, {"TRIVY_SKIP_FILES": "**/METADATA"}),
    ],
)
def test_the_projects_own_trivy_settings_hide_nothing(
    files: dict[str, str], extra: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ignore file or settings of Trivy's own, in the project or in the environment, take no finding away."""
    project, scratch, cache = (tmp_path / name for name in ("project", "scratch", "cache"))
    for folder in (project, scratch):
        folder.mkdir()
    for name, text in files.items():
        (project / name).write_text(text)
    subprocess.run([need_program("trivy-test-db"), str(DATABASE), str(cache)], check=True, capture_output=True)
    site = "usr/lib/python3.11/site-packages/jinja2-3.1.2.dist-info"
    archive(
        tmp_path / "image.tar",
        {
            "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
            "etc/debian_version": "12.5\n",
            f"{site}/METADATA": "Metadata-Version: 2.1\nName: jinja2\nVersion: 3.1.2\n",
        },
    )
    monkeypatch.chdir(project)

    found = scan(
        Path("../image.tar"),
        Path("../scratch"),
        trivy=need_program("trivy"),
        cache=Path("../cache"),
        offline=True,
        environ={**os.environ, **extra},
    )

    assert [(item.id, item.severity) for item in found.findings] == [("CVE-2024-56326", "HIGH")]
    assert found.distribution == "debian 12.5"


@pytest.mark.parametrize(
    ("release", "more", "status"),
    [
        (
            "12.5",
            {"var/lib/dpkg/status": "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.3-1\n\n"},
            "passed",
        ),
        ("12.5", {}, "error"),
        (
            "trixie/sid",
            {"var/lib/dpkg/status": "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.3-1\n\n"},
            "error",
        ),
    ],
    ids=["list", "no-list", "unreleased"],
)
def test_the_real_trivy_on_a_system_that_it_cannot_judge(
    release: str, more: dict[str, str], status: str, tmp_path: Path
) -> None:
    """A base whose list of packages was removed, or whose release has no number, is not one without vulnerabilities."""
    site = "opt/venv/lib/python3.11/site-packages"
    ours = {
        f"{site}/{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        for name in CLEAN.packages
    }
    system = {"etc/os-release": 'ID=debian\nVERSION_ID="12"\n', "etc/debian_version": f"{release}\n"}
    archive(tmp_path / "image.tar", {**system, **more, **ours})

    found = scanned(tmp_path)

    assert found.findings == []
    assert verdict(found, image_id=found.image_id)["scan-covers-image"] == status


def test_the_real_trivy_on_secrets_and_licences(tmp_path: Path) -> None:
    """Trivy finds a key among the model's files and a token among the image's variables, and reads stated licences."""
    site = "opt/venv/lib/python3.11/site-packages"
    stated = {
        "agpl": "License-Expression: AGPL-3.0-only",
        "dual": "License-Expression: MIT OR GPL-2.0-only",
        "silent": "",
    }
    ours = {
        f"{site}/{name}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{more}\n"
        for name, more in stated.items()
    }
    system = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "etc/debian_version": "12.5\n",
        "var/lib/dpkg/status": "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.3-1\n\n",
    }
    token = "ghp_" + "0123456789abcdef" * 2 + "0123"
    layer = archive(
        tmp_path / "image.tar",
        {**system, **ours, "app/model/notes.txt": f"first line\ntoken: {token}\n"},
        env=[f"GITHUB_TOKEN={token}"],
    )

    found = scanned(tmp_path)

    assert {(one.id, one.path) for one in found.secrets} == {
        ("github-pat", "/app/model/notes.txt"),
        ("github-pat", "image configuration"),
    }
    assert next(one.line for one in found.secrets if one.path == "/app/model/notes.txt") == 2
    assert token not in str(found)
    assert {(one.package, one.id, one.kind) for one in found.licenses} == {
        ("agpl", "AGPL-3.0-only", "library"),
        ("dual", "MIT OR GPL-2.0-only", "library"),
        ("silent", UNSTATED, "library"),
        ("zlib1g", UNSTATED, "os"),
    }
    assert found.by_layer == {layer: 4}
    assert (one := scanned(tmp_path, ("vuln",))).secrets == [] and not one.licenses
    assert verdict(found, image_id=found.image_id, licenses=["GPL-2.0-only"])["licenses"] is Status.PASSED
    assert verdict(found, image_id=found.image_id, licenses=["unknown"])["licenses"] is Status.FAILED
