"""What must hold for the evidence of a pushed image: that it is signed and attached."""

from __future__ import annotations

from collections.abc import Collection

from cd4ml.errors import Cd4mlError
from cd4ml.report import Check, Status

_ID = "evidence-attached"


def attached_check(image: str, count: int, signer: str, earlier: Collection[str]) -> Check:
    """Say what is attached to the image, and who has signed it.

    Args:
        earlier: stages whose own signed verdicts are attached as well.
    """
    message = f"{count} statements about {image} are signed by {signer} and attached to it."
    message += f" The signed verdicts of {', '.join(earlier)} are attached as well." if earlier else ""
    return Check(id=_ID, status=Status.PASSED, message=message, value=count, n=count)


def unattached_check(image: str, error: Cd4mlError) -> Check:
    """Say that the image is in its registry without its evidence: nobody should deploy it."""
    return Check(
        id=_ID,
        status=Status.ERROR,
        reason=error.reason,
        message=f"{image} is pushed, but not all of its evidence is stated, signed and attached: {error.message}",
        advice=f"{error.advice} Run the stage again: what is there already is not sent twice.".strip(),
    )
