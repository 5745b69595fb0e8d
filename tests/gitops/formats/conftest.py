"""What a manifest gives an image after it was deployed, as the stage would say it."""

from __future__ import annotations

import difflib

from cd4ml.gitops.image import Image, image
from cd4ml.gitops.manifest import Manifest

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
CHURN = image(f"registry.example.com/team/churn@{NEW}")


def deployed(text: str, weight: int, new: Image = CHURN, part: str | None = None) -> tuple[str, str]:
    """Return the text after a deployment, and what it gives the image."""
    after = Manifest(text, repository=new.repository, part=part).with_canary(new, weight)
    return after, Manifest(after, repository=new.repository, part=part).share(new.digest)


def changed(before: str, after: str) -> list[str]:
    """Return the lines that a change wrote, stripped."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line[2:].strip() for line in lines if line.startswith("+ ")]
