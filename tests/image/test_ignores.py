"""The file of accepted vulnerabilities: no entry without a reason and a day."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.ignores import read_ignores

GOOD = "ignore:\n  - {id: CVE-2024-1, reason: not reachable, expires: 2030-01-31}\n"


def write(folder: Path, text: str) -> Path:
    """Write an ignore file."""
    path = folder / "accepted.yaml"
    path.write_text(text)
    return path


def test_an_entry_is_read(tmp_path: Path) -> None:
    """An entry has id, reason and day, and covers the package in any spelling."""
    (entry,) = read_ignores(write(tmp_path, GOOD))
    assert entry.expires == datetime.date(2030, 1, 31) and entry.covers("CVE-2024-1", "anything")
    (named,) = read_ignores(write(tmp_path, GOOD.replace("reason:", "package: Typing_Extensions, reason:")))
    assert named.covers("CVE-2024-1", "typing-extensions") and not named.covers("CVE-2024-1", "other")
    assert not named.covers("CVE-2024-2", "typing-extensions")


def test_lists__each_accepts_its_own_kind(tmp_path: Path) -> None:
    """An entry under `secrets` or `licenses` accepts nothing of another kind, whatever its id."""
    text = (
        "secrets:\n  - {id: private-key, path: app/model/a.pem, reason: a test key, expires: 2030-01-31}\n"
        "licenses:\n  - {id: GPL-3.0-only, reason: not passed on, expires: 2030-01-31}\n"
    )
    secret, license = read_ignores(write(tmp_path, text))
    assert secret.covers_secret("private-key", "/app/model/a.pem") and not secret.covers("private-key", "any")
    assert license.covers_license("GPL-3.0-only", "any") and not license.covers("GPL-3.0-only", "any")
    assert not license.covers_secret("GPL-3.0-only", "app/model/a.pem")


def test_an_empty_list_accepts_nothing(tmp_path: Path) -> None:
    """A file without entries is allowed."""
    assert not read_ignores(write(tmp_path, "ignore: []\n"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a mapping"),
        ("[]", "expected a mapping"),
        ("ignore: CVE-2024-1", "a list of entries"),
        ("ignore: []\nother: 1", "expected a mapping"),
        ("ignore: []\nsecrets: {id: x}", "expected a mapping"),
        ("secrets: [{id: github-pat, reason: x, expires: 2030-01-31}]", "no `path`"),
        ("secrets: [{id: CVE-2024-1, path: /a, reason: x, expires: 2030-01-31}]", "not a rule for secrets"),
        ("secrets: [{id: github-pat, path: /a, package: a, reason: x, expires: 2030-01-31}]", "unknown key `package`"),
        ("licenses: [{id: 'GPL-*', reason: x, expires: 2030-01-31}]", "not a licence"),
        ("licenses: [{id: MIT, package: , reason: x, expires: 2030-01-31}]", "`package` is empty"),
        ("ignore: [CVE-2024-1]", "expected a mapping"),
        ("ignore: [{id: CVE-2024-1, reason: x}]", "no `expires`"),
        ("ignore: [{id: CVE-2024-1, reason: x, expires: never}]", "must be a date"),
        ("ignore: [{id: CVE-2024-1, reason: x, expires: 2030-01-31T00:00:00}]", "must be a date"),
        ("ignore: [{id: CVE-2024-1, expires: 2030-01-31}]", "no `reason`"),
        ("ignore: [{id: CVE-2024-1, reason: ' ', expires: 2030-01-31}]", "no `reason`"),
        ("ignore: [{reason: x, expires: 2030-01-31}]", "no `id`"),
        ("ignore: [{id: cve-2024-1, reason: x, expires: 2030-01-31}]", "write it as Trivy does"),
        ("ignore: [{id: 'RHSA-2024:1 ', reason: x, expires: 2030-01-31}]", "not the identifier"),
        ("ignore: [{id: 'SUSE-SU-*', reason: x, expires: 2030-01-31}]", "not the identifier"),
        ("ignore: [{id: '*', reason: x, expires: 2030-01-31}]", "not the identifier"),
        ("ignore: [{id: CVE-2024-1, reason: x, expiry: 2030-01-31}]", "did you mean `expires`"),
        ("ignore: [{id: CVE-2024-1, package: , reason: x, expires: 2030-01-31}]", "`package` is empty"),
        ("ignore: [{id: CVE-2024-1, package: ' ', reason: x, expires: 2030-01-31}]", "`package` is empty"),
        ("ignore: [", "invalid YAML"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """A file that could accept more than its author meant is bad input."""
    with pytest.raises(OptionsError, match=problem):
        read_ignores(write(tmp_path, text))


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    """A named file must be there."""
    with pytest.raises(UnavailableError):
        read_ignores(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "identity",
    [
        "GHSA-h5c8-rqwp-cp95",
        "RHBA-2023:0902",
        "SUSE-RU-2023:4516-2",
        "openSUSE-RU-2021:1475-1",
        "openEuler-SA-2023-1005",
        "PHSA-2023-4.0-0518",
        "ALAS2023-2024-519",
        "TEMP-0841856-B18BAF",
        "RLSA-2022:7006",
        "PYSEC-2021-66",
        "GO-2022-0493",
    ],
)
def test_advisories_of_every_vendor_can_be_accepted(tmp_path: Path, identity: str) -> None:
    """An identifier is taken as the scanner writes it, with colons, dots and small letters where it has them."""
    (entry,) = read_ignores(write(tmp_path, GOOD.replace("CVE-2024-1", f'"{identity}"')))
    assert entry.covers(identity, "any")
