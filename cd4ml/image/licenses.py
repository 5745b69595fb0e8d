"""The licences that an image must not hold, as the option names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.image.findings import License
from cd4ml.image.license_expression import Term, holds
from cd4ml.wording import nearest

# https://trivy.dev/docs/latest/scanner/license/
CATEGORIES: Final = ("forbidden", "restricted", "reciprocal", "notice", "permissive", "unencumbered", "unknown")
_KINDS: Final = ("os", "library")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


@dataclass(frozen=True, kw_only=True)
class Forbidden:
    """A licence or a category of Trivy's; `kind` is that of the packages that may not have it, None for all."""

    name: str
    kind: str | None = None


def forbidden(names: Sequence[str]) -> tuple[Forbidden, ...]:
    """Read the option: `AGPL-3.0-only`, `restricted`, `library:GPL-3.0-only`.

    Raises:
        OptionsError: what is no name of a licence or of a category; all at once.
    """
    problems = []
    found = []
    for text in names:
        kind, colon, name = text.rpartition(":")
        if colon and kind not in _KINDS:
            problems.append(f"forbidden-licenses: unknown kind of packages `{kind}`{nearest(kind, _KINDS)}")
        elif not _NAME.fullmatch(name):
            problems.append(f"forbidden-licenses: {text[:80]!r} is not the name of a licence, such as AGPL-3.0-only")
        else:
            found.append(Forbidden(name=name.lower(), kind=kind or None))
    if problems:
        raise OptionsError(problems, advice=f"Name licences as SPDX does, or categories: {', '.join(CATEGORIES)}.")
    return tuple(found)


def refused(license: License, named: Sequence[Forbidden]) -> bool:
    """Whether a package leaves no choice but a licence that is forbidden: `MIT OR GPL-3.0-only` leaves one.

    A licence of unknown category is no way out where a category is forbidden; alone, it is refused where `unknown` is.
    """
    names = {entry.name for entry in named if entry.kind in (None, license.kind)}
    known = dict(license.parts)

    def judge(term: Term) -> bool | None:
        words = [word.lower() for word in term.words]
        if term.exact:  # an exception has no category
            categories = {known.get(words[0], license.category)}
        else:  # of words most are no licences
            told = {known.get(word, "unknown") for word in words} - {"unknown"}
            categories = told | ({license.category} - ({"unknown"} if told else set()))
        if categories & names or names.difference(CATEGORIES).intersection(words):
            return True
        return None if categories == {"unknown"} and names.intersection(CATEGORIES) else False

    return holds(license.stated, judge) is True
