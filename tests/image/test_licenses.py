"""Licences that no package may have: what the option names, and what a package's own words leave as a choice."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import yaml

from cd4ml.checks.image.licenses import open_licenses
from cd4ml.errors import OptionsError
from cd4ml.image.findings import License, licenses
from cd4ml.image.ignores import read_ignores
from cd4ml.image.license_expression import words_of
from cd4ml.image.licenses import forbidden, refused
from tests.image.archives import archive, scanned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPL-3.0-only", True),
        ("MIT OR GPL-3.0-only", False),
        ("MIT or gpl-3.0-only", False),
        ("AGPL-3.0-only OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", True),
        ("MIT AND (Apache-2.0 OR GPL-3.0-only)", False),
        ("MIT AND (AGPL-3.0-only OR GPL-3.0-only)", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", True),
        ("MIT OR (Apache-2.0 AND GPL-3.0-only)", False),
        ("MIT AND (Apache-2.0 OR GPL-3.0-only", True),
        ("MIT/GPL-3.0-only", True),
        ("BSD, parts are GPL-3.0-only", True),
        ("BSD (parts: MIT or GPL-3.0-only)", True),
        ("(" * 1000 + "GPL-3.0-only" + ")" * 1000, True),
        ("GPL-3.0-or-later", False),
        ("", False),
    ],
)
def test_refused__what_leaves_no_choice(text: str, expected: bool) -> None:
    """An expression is refused where no choice is free of what is forbidden; what is none counts with all its words."""
    found = License(id=text, category="notice", package="p", kind="library")
    assert refused(found, forbidden(["GPL-3.0-only", "AGPL-3.0-only"])) is expected


CATEGORIES = {
    "licenseref-x": "unknown",
    "agpl-3.0-only": "forbidden",
    "gpl-3.0-or-later": "restricted",
    "gpl-3.0-only": "restricted",
    "bsd-3-clause": "notice",
    "mit": "notice",
    "aglpv3": "forbidden",
}


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("LicenseRef-x AND AGPL-3.0-only", ["forbidden", "restricted"], True),
        ("BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1", ["restricted"], True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", ["restricted"], True),
        ("MIT WITH Own-exception", ["restricted", "unknown"], False),
        ("MIT OR AGPL-3.0-only", ["forbidden"], False),
        ("LicenseRef-x OR AGPL-3.0-only", ["forbidden"], True),
        ("LicenseRef-x OR AGPL-3.0-only", ["AGPL-3.0-only"], False),
        ("LicenseRef-x OR MIT", ["forbidden"], False),
        ("LicenseRef-x AND MIT", ["forbidden"], False),
        ("LicenseRef-x AND MIT", ["unknown"], True),
        ("LicenseRef-x AND AGPL-3.0-only", ["os:forbidden"], False),
        ("MIT, some parts AGLPv3", ["forbidden"], True),
        ("MIT, of a forbidden kind", ["forbidden"], False),
    ],
)
def test_refused__each_part_has_its_category(text: str, names: list[str], expected: bool) -> None:
    """A forbidden part counts though Trivy knows no category of the whole; an unknown one is no way out of it."""
    parts = tuple((word, CATEGORIES.get(word, "unknown")) for word in words_of(text.lower()))
    found = License(id=text, category="unknown", package="p", kind="library", parts=parts)
    assert refused(found, forbidden(names)) is expected


def test_a_long_licence_is_judged_in_full(tmp_path: Path) -> None:
    """What is forbidden at the end of a long text counts, and accepting one text does not accept another one."""
    beginning = " AND ".join(["BSD-3-Clause", "MIT", "Apache-2.0"] * 10)
    texts = [f"{beginning} AND {name}" for name in ("MIT", "AGPL-3.0-only", "GPL-3.0-only")]
    rows = [{"Name": text, "PkgName": "p", "Category": "unknown"} for text in texts]
    found = {one.stated: one for one in licenses({"Results": [{"Target": "Python", "Licenses": rows}]})}
    named = forbidden(["AGPL-3.0-only", "GPL-3.0-only"])
    assert [refused(found[text], named) for text in texts] == [False, True, True]
    assert all(len(one.id) < 200 for one in found.values())
    accepted = {"id": found[texts[1]].id, "reason": "ours", "expires": "2030-01-01"}
    (tmp_path / "ignore.yaml").write_text(yaml.safe_dump({"licenses": [accepted]}))
    today, entries = datetime.date(2026, 1, 1), read_ignores(tmp_path / "ignore.yaml")
    assert [one.stated for one in open_licenses(list(found.values()), named, entries, today)] == [texts[2]]


def test_the_real_trivy__knows_the_parts(tmp_path: Path) -> None:
    """Trivy is asked for the category of each part of an expression, whatever it says of the whole."""
    site = "usr/lib/python3.11/site-packages"
    stated = {"a": "LicenseRef-x AND AGPL-3.0-only", "b": "BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1"}
    files = {
        f"{site}/{name}-1.0.dist-info/METADATA": (
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {text}\n"
        )
        for name, text in stated.items()
    }
    archive(
        tmp_path / "image.tar",
        {"etc/os-release": 'ID=debian\nVERSION_ID="12"\n', "etc/debian_version": "12.5\n", **files},
    )
    found = scanned(tmp_path, ("vuln", "license"))
    assert {one.package: one.stated for one in found.licenses} == stated
    assert [refused(one, forbidden(["forbidden"])) for one in found.licenses] == [True, False]
    assert [refused(one, forbidden(["restricted"])) for one in found.licenses] == [False, True]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["GPL 3"], "not the name of a licence"),
        (["libary:MIT"], "did you mean `library`"),
        (["os:"], "not the name of a licence"),
        (["GPL-*"], "not the name of a licence"),
    ],
)
def test_forbidden__names_that_would_never_be_met_are_refused(names: list[str], problem: str) -> None:
    """What cannot name a licence or a kind of packages is bad input and not a list without effect."""
    with pytest.raises(OptionsError, match=problem):
        forbidden(names)
