"""The statements of a VEX document: which of them counts for a vulnerability of a package."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cd4ml.image.package_url import PackageUrl, package_url

_SUPPRESSING: Final = ("not_affected", "fixed")
_Key = tuple[str, tuple[str, str], datetime.datetime]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is said of one vulnerability in packages.

    Attributes:
        ids: the vulnerability and its aliases.
        reason: why it does not affect; the status where nothing is said of that.
        time: when it was said, the earliest one if the document does not say.
        where: its place in the document.
    """

    ids: Sequence[str]
    status: str
    reason: str
    packages: Sequence[PackageUrl]
    time: datetime.datetime
    where: str

    @property
    def suppresses(self) -> bool:
        """Whether it takes findings away."""
        return self.status in _SUPPRESSING


@dataclass(frozen=True, kw_only=True)
class Vex:
    """A document that was read."""

    path: str
    sha256: str
    statements: Sequence[Statement]

    def suppressing(self, id: str, package: str) -> Statement | None:
        """Return the statement that takes a vulnerability of a package away: the latest on both, if it does.

        A statement takes away what it names itself, as the vulnerability or an alias. One that does not take away
        counts for the aliases of its aliases too.

        Args:
            package: its package URL, the empty text if it has none.
        """
        if not package:
            return None
        found = package_url(package)
        about = [
            one
            for named, one in self._by_package.get(found.package, ())
            if named.covers(found)
            and (id in one.ids or (not one.suppresses and self._first[one.ids[0]] == self._first.get(id)))
        ]
        latest = max(about, key=lambda one: (one.time, not one.suppresses), default=None)
        return latest if latest is not None and latest.suppresses else None

    @cached_property
    def _first(self) -> Mapping[str, str]:
        return same_vulnerability(self.statements)

    @cached_property
    def _by_package(self) -> Mapping[tuple[str, str], Sequence[tuple[PackageUrl, Statement]]]:
        found = defaultdict(list)
        for one in self.statements:
            for package in one.packages:
                found[package.package].append((package, one))
        return found


def same_vulnerability(statements: Sequence[Statement]) -> dict[str, str]:
    """Return for each id the one id that stands for it and all its aliases, and theirs."""
    above: dict[str, str] = {}

    def top(id: str) -> str:
        while above.setdefault(id, id) != id:
            above[id] = id = above[above[id]]
        return id

    for one in statements:
        for alias in one.ids:
            above[top(alias)] = top(one.ids[0])
    return {id: top(id) for id in above}


def contradictions(statements: Sequence[Statement]) -> Iterator[str]:
    """Yield what statements of one time contradict each other in: none of the two is the latest."""
    first = same_vulnerability(statements)
    groups: dict[_Key, tuple[list[tuple[PackageUrl, Statement]], list[tuple[PackageUrl, Statement]]]]
    groups = defaultdict(lambda: ([], []))
    for one in statements:
        for package in one.packages:
            groups[first[one.ids[0]], package.package, one.time][one.suppresses].append((package, one))
    for affecting, suppressing in groups.values():
        for package, one in suppressing:
            other = next((said for named, said in affecting if named.overlaps(package)), None)
            if other is not None:
                yield (
                    f"{one.where}: {one.ids[0]} is {one.status} in {package.name}, {other.where} of the same time says "
                    f"{other.status}"
                )
