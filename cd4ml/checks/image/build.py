"""What must hold for the build of a serving image: its base, what was built, and what the registry then serves."""

from __future__ import annotations

from cd4ml.errors import UnavailableError
from cd4ml.image.base import Base
from cd4ml.image.builders.builder import Image
from cd4ml.image.builders.failure import BuildFailed
from cd4ml.image.labels import MODEL
from cd4ml.image.reference import Reference
from cd4ml.report import Check, Status

_BUILDS = "image-builds"


def base_check(base: Base) -> Check:
    """Say what is known of the base, and whether it is certain to be the newest of its tag."""
    name = base.digest or base.id
    message = f"{base.wanted} is {name}."
    if base.unreachable is not None:
        message = (
            f"The registry of {base.wanted} could not be queried, so the local copy {name} was used; the tag may "
            f"point to a newer image by now. {base.unreachable}"
        )
    return Check(id="base-image", status=Status.PASSED, message=message, value=name)


def failed_build_check(failure: BuildFailed) -> Check:
    """Say why there is no image."""
    message = f"The build failed: {failure}"
    return Check(id=_BUILDS, status=Status.FAILED, reason="build-failed", message=message, advice=failure.advice)


def built_check(image: Image, reference: Reference, *, model_sha256: str) -> Check:
    """Decide whether the image says which model is inside."""
    if image.labels.get(MODEL) == model_sha256:
        return Check(id=_BUILDS, status=Status.PASSED, message=f"{reference} is built: {image.id}.", value=image.id)
    return Check(
        id=_BUILDS,
        status=Status.FAILED,
        reason="other-label",
        message=f"The image's label {MODEL} is not the model's digest.",
        advice="The engine did not set the label; build with another engine.",
    )


def pushed_check(image: str, digest: str) -> Check:
    """Say what the registry serves: an image that it does not serve as it was checked ends the run before this."""
    message = f"The registry serves what was built and checked: {image}."
    return Check(id="pushed", status=Status.PASSED, message=message, value=digest)


def not_pushed_check(error: UnavailableError) -> Check:
    """Say that the registry does not serve the image: what was checked before stands."""
    return Check(id="pushed", status=Status.ERROR, reason=error.reason, message=error.message, advice=error.advice)


def unfinished_check() -> Check:
    """Say that a report was written before the run had ended: it lets nothing through."""
    return Check(id="unfinished", status=Status.ERROR, reason="unfinished", message="The run did not finish.")
