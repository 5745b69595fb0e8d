"""What the suite's commits say about themselves, for later runs: lines of the form `Cd4ml-Image: …` in the message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cd4ml.gitops.manifest import Manifest
from cd4ml.image.reference import same_image

IMAGE: Final = "Cd4ml-Image"
PROMOTED: Final = "Cd4ml-Promoted"
ROLLED_BACK: Final = "Cd4ml-Rolled-Back"
MANIFEST: Final = "Cd4ml-Manifest"
PART: Final = "Cd4ml-Manifest-Path"
COMMIT: Final = "Cd4ml-Commit"
PREVIOUS_IMAGE: Final = "Cd4ml-Previous-Image"


def message(title: str, trailers: Mapping[str, str]) -> str:
    """Return a commit's message; a trailer without a value is left out."""
    lines = (f"{name}: {' '.join(value.splitlines())}" for name, value in trailers.items() if value)
    return f"{title}\n\n" + "\n".join(lines) + "\n"


def naming(message: str, manifest: str, part: str | None) -> str:
    """Return a message made here with the manifest that it is about, which may be moved later, and the part of it."""
    if not trailers_of(message):
        return message
    return f"{message.rstrip()}\n{MANIFEST}: {manifest}\n" + (f"{PART}: {part}\n" if part else "")


def trailers_of(message: str) -> str:
    """Return the trailers of a message made here; empty if it has none."""
    _, found, rest = message.partition("\n\nCd4ml-")
    return f"Cd4ml-{rest}".strip() if found else ""


def replaced(before: Manifest, after: str) -> dict[str, str]:
    """Return the trailer that names the stable image that a change of the manifest replaces, if it replaces one."""
    earlier, later = before.stable, before.changed(after).stable
    return {PREVIOUS_IMAGE: earlier} if earlier and not same_image(earlier, later) else {}
