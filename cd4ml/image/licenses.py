"""The licences that an image must not hold, as the option names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.image.findings import License
from cd4ml.wording import nearest

# https://trivy.dev/docs/latest/scanner/license/
CATEGORIES: Final = ("forbidden", "restricted", "reciprocal", "notice", "permissive", "unencumbered", "unknown")
_KINDS: Final = ("os", "library")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_OR: Final = re.compile(r"\s+OR\s+", re.I)


@dataclass(frozen=True, kw_only=True)
class Forbidden:
    """A licence or a category of Trivy's; `kind` is that of the packages that may not have it, None for all."""

    name: str
    kind: str | None = None

    def holds(self, license: License) -> bool:
        """Whether a package has this licence, whatever else it may choose."""
        return (self.kind is None or self.kind == license.kind) and (
            self.name == license.category or any(self.name == word.lower() for word in _NAME.findall(license.id))
        )


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
    """Whether a package leaves no choice but a licence that is forbidden: `MIT OR GPL-3.0-only` leaves one."""
    # Parentheses may hold a choice within a demand: all that they name counts then.
    choices = [license.id] if "(" in license.id else _OR.split(license.id)
    one = [License(id=choice, category=license.category, package="", kind=license.kind) for choice in choices]
    return all(any(entry.holds(choice) for entry in named) for choice in one)
