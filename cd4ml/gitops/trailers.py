"""What the suite's commits say about themselves, for later runs: lines of the form `Cd4ml-Image: …` in the message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cd4ml.gitops.manifest import Manifest
from cd4ml.image.reference import same_image

# How each of these lines begins.
PREFIX: Final = "Cd4ml-"
# Of a deployment: what was deployed, made from which commit of which time, and its model (`sha256:` and a digest).
IMAGE: Final = "Cd4ml-Image"
CANARY_WEIGHT: Final = "Cd4ml-Canary-Weight"
SOURCE: Final = "Cd4ml-Source"
SOURCE_TIME: Final = "Cd4ml-Source-Time"
MODEL: Final = "Cd4ml-Model"
# What the model was judged against (an alias and its version), and its own version under the same name.
BASELINE: Final = ("Cd4ml-Baseline", "Cd4ml-Baseline-Version", "Cd4ml-Candidate-Version")
# Of a promotion or a roll-back: the image, and the version that the alias points at afterwards and pointed at before.
PROMOTED: Final = "Cd4ml-Promoted"
ROLLED_BACK: Final = "Cd4ml-Rolled-Back"
VERSION: Final = "Cd4ml-Version"
PREVIOUS_VERSION: Final = "Cd4ml-Previous-Version"
# Of a step of a rollout: the canary that goes on (by CANARY_WEIGHT) beside which stable image. Of whatever an analysis
# led to: `sha256:` and the digest of its report.
ADVANCED: Final = "Cd4ml-Advanced"
BESIDE: Final = "Cd4ml-Beside"
ANALYSIS: Final = "Cd4ml-Analysis"
# Of each of them: the manifest and the part of it, the commit in the ledger, the stable image that was replaced.
MANIFEST: Final = "Cd4ml-Manifest"
PART: Final = "Cd4ml-Manifest-Path"
COMMIT: Final = "Cd4ml-Commit"
PREVIOUS_IMAGE: Final = "Cd4ml-Previous-Image"
# Of a commit that a pull request asks for: the digest of its message and of the manifest's text.
SEAL: Final = "Cd4ml-Seal"


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
    _, found, rest = message.partition(f"\n\n{PREFIX}")
    return f"{PREFIX}{rest}".strip() if found else ""


def replaced(before: Manifest, after: str) -> dict[str, str]:
    """Return the trailer that names the stable image that a change of the manifest replaces, if it replaces one."""
    earlier, later = before.stable, before.changed(after).stable
    return {PREVIOUS_IMAGE: earlier} if earlier and not same_image(earlier, later) else {}
