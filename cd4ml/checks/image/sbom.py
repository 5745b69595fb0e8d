"""What must hold for the bill of materials: that it names what was locked."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from cd4ml.checks.image.decided import decided_check
from cd4ml.report import Check

_SHOWN: Final = 10


def sbom_check(named: Set[tuple[str, str]], locked: Set[tuple[str, str]]) -> Check:
    """Decide whether a bill of materials names every locked package, in the locked version."""
    lacking = sorted(f"{name} {version}" for name, version in locked - named)
    shown = ", ".join(lacking[:_SHOWN]) + (f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else "")
    if lacking or not locked:
        message = f"The bill of materials lacks {shown or 'every package: nothing is locked'}."
    else:
        message = f"The bill of materials names all {len(locked)} locked packages, the model and the base."
    return decided_check(
        "sbom",
        bool(locked) and not lacking,
        message,
        reason="incomplete",
        advice="The image does not hold what was locked, or Trivy did not see it: build again without a cache.",
        n=len(locked),
    )
