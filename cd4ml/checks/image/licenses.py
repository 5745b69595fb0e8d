"""What must hold for the licences of the packages in an image: none is forbidden."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Final

from cd4ml.checks.image.decided import decided_check
from cd4ml.checks.image.listing import listed
from cd4ml.image.findings import UNSTATED, License
from cd4ml.image.ignores import Ignore, current
from cd4ml.image.licenses import Forbidden, refused
from cd4ml.report import Bound, Check, Status

_ID: Final = "licenses"


def open_licenses(
    found: Sequence[License], named: Sequence[Forbidden], ignores: Sequence[Ignore], today: datetime.date
) -> list[License]:
    """Return the licences that are forbidden and that no entry of the ignore file accepts today."""
    accepting = current(ignores, today)
    return [
        one
        for one in found
        if refused(one, named) and not any(entry.covers_license(one.id, one.package) for entry in accepting)
    ]


def licenses_check(
    found: Sequence[License], named: Sequence[Forbidden], ignores: Sequence[Ignore], today: datetime.date
) -> Check:
    """Decide on the licences; without any that is forbidden, they are reported alone.

    Args:
        found: what each package states, or that it states nothing.
        named: what is forbidden.
    """
    stating = {(one.kind, one.package) for one in found if one.id != UNSTATED}
    if not any(kind == "library" for kind, _ in stating):
        return Check(
            id=_ID,
            status=Status.ERROR,
            message="Trivy saw no licence of any Python package, of which the gateway's own state theirs.",
            reason="unavailable",
            advice="Scan again.",
        )
    seen = f"{len(stating):,} packages state their licences, {len({*_names(found)} - stating):,} do not"
    left = open_licenses(found, named, ignores, today)
    accepted = sum(refused(one, named) for one in found) - len(left)
    shown = listed([f"{one.id} ({one.category}) of {one.package}" for one in left])
    text = f"{len(left):,} forbidden: {shown}." if left else f"{seen}; none is forbidden."
    if not named:
        text = f"{seen}; forbidden-licenses names none, so that none blocks."
    return decided_check(
        _ID,
        not left,
        f"{text} {accepted} accepted in the ignore file." if accepted else text,
        reason="forbidden-license",
        advice="Take another package, or accept the licence under `licenses` in the ignore file.",
        value=len(left),
        limit=0,
        bound=Bound.AT_MOST,
        option=("forbidden-licenses",),
    )


def _names(found: Sequence[License]) -> set[tuple[str, str]]:
    """Return the packages that licences are of."""
    return {(one.kind, one.package) for one in found}
