"""Licences that no package may have: what the option names, and what a package's own words leave as a choice."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.image.findings import License
from cd4ml.image.licenses import forbidden, refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPL-3.0-only", True),
        ("MIT OR GPL-3.0-only", False),
        ("MIT or gpl-3.0-only", False),
        ("AGPL-3.0-only OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", True),
        ("MIT AND (Apache-2.0 OR GPL-3.0-only)", True),
        ("GPL-3.0-or-later", False),
        ("", False),
    ],
)
def test_refused__what_leaves_no_choice(text: str, expected: bool) -> None:
    """An expression is refused where no alternative is free of what is forbidden; parentheses are read strictly."""
    found = License(id=text, category="notice", package="p", kind="library")
    assert refused(found, forbidden(["GPL-3.0-only", "AGPL-3.0-only"])) is expected


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
