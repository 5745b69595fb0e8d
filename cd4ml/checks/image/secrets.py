"""What must hold for the secrets that a scan looked for: none is in the image."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cd4ml.checks.image.decided import decided_check
from cd4ml.checks.image.listing import listed
from cd4ml.image.findings import Secret
from cd4ml.image.ignores import Ignore, current
from cd4ml.report import Bound, Check


def open_secrets(found: Sequence[Secret], ignores: Sequence[Ignore], today: datetime.date) -> list[Secret]:
    """Return the secrets that no entry of the ignore file accepts today."""
    accepting = current(ignores, today)
    return [one for one in found if not any(entry.covers_secret(one.id, one.path) for entry in accepting)]


def secrets_check(found: Sequence[Secret], ignores: Sequence[Ignore], today: datetime.date) -> Check:
    """Decide on the secrets: whoever can pull the image can read them, so that each blocks, whatever its severity."""
    left = open_secrets(found, ignores, today)
    accepted = f" {len(found) - len(left)} accepted in the ignore file." if len(found) > len(left) else ""
    shown = listed([f"{one.title} ({one.id}) in {one.path}, line {one.line}" for one in left])
    count = f"{len(left):,} secret{'' if len(left) == 1 else 's'} in the image"
    return decided_check(
        "secrets",
        not left,
        (f"{count}: {shown}." if left else "No secret in the image.") + accepted,
        reason="secret-in-image",
        advice="Revoke it and take it out of the model's folder or the base. What is no secret is accepted under "
        "`secrets` in the ignore file, with its path.",
        value=len(left),
        limit=0,
        bound=Bound.AT_MOST,
    )
