"""Whether what is delivered is what was built, evaluated and approved -> checks. Pure."""

from __future__ import annotations

from cd4ml.image.reference import same_image
from cd4ml.report import Check, Status


def pushed_image_check(wanted: str | None, pushed: str | None, *, same: bool) -> Check:
    """Check that the image to deploy is the one that was built, scanned and pushed.

    Args:
        wanted: the image to deploy.
        pushed: what the report of build-image names, None if it names nothing.
        same: whether these are one image.
    """
    if pushed is None or wanted is None:
        return Check(
            id="image",
            status=Status.FAILED,
            reason="no-image",
            message="The report of build-image names no image that was pushed.",
            advice="Build with push: true.",
        )
    if not same:
        return Check(
            id="image",
            status=Status.FAILED,
            reason="other-image",
            message=f"{wanted} is not the image that build-image pushed ({pushed}).",
            advice="Leave image unset, or build it.",
        )
    return Check(id="image", status=Status.PASSED, message=f"{wanted} is the image that build-image pushed.")


def approved_image_check(held: str, approved: str | None) -> Check:
    """Check that the image in the manifest is the one that was approved, if one was named."""
    if approved is None:
        return decision_check(f"No image was named; using {held} from the manifest.")
    if same_image(approved, held):
        return Check(id="same-image", status=Status.PASSED, message=f"The manifest holds {held}, as approved.")
    return Check(
        id="same-image",
        status=Status.FAILED,
        reason="other-image",
        message=f"The manifest holds {held}, not the approved {approved}.",
        advice="Review the image that runs as canary now, and approve that one.",
    )


def earlier_environment_check(manifest: str, wanted: str, share: str, *, alone: bool | None) -> Check:
    """Check that the environment before this one serves the image, and nothing beside it.

    Args:
        manifest: of that environment.
        wanted: the image to deploy, by digest.
        share: what that manifest gives it, in words.
        alone: whether only this image answers there; None if the manifest does not decide that.
    """
    id, told = "earlier-environment", f"{manifest} gives {wanted} {share}"
    if alone:
        return Check(id=id, status=Status.PASSED, message=f"{told}.")
    if alone is None:
        return Check(
            id=id,
            status=Status.INCONCLUSIVE,
            reason="unknown-share",
            message=f"{told}: whether it gets all of the traffic there, the manifest does not say.",
            advice="Leave after-manifest unset, and start this stage once the controller there has promoted the image.",
        )
    return Check(
        id=id,
        status=Status.FAILED,
        reason="not-there-yet",
        message=f"{told}, and not all of the traffic.",
        advice="Deliver the image there first: merge its pull request, or promote its canary.",
    )


def evidence_image_check(held: str, about: str | None, *, same_model: bool) -> Check:
    """Check that the reports are about the image in the manifest, and about the model in it.

    Args:
        held: the image in the manifest.
        about: the image that the report of build-image names.
        same_model: whether the reports and the commit that deployed the image name one model.
    """
    if same_model and same_image(about, held):
        return Check(id="evidence-image", status=Status.PASSED, message=f"The reports are about {held} and its model.")
    return Check(
        id="evidence-image",
        status=Status.FAILED,
        reason="other-image",
        message=f"The report of build-image is about {about or 'no image'}, not about {held} and its model.",
        advice="Pass on the reports of the run that deployed this image.",
    )


def same_model_check(image: str, version: str, sha256: str, deployed: str | None) -> Check:
    """Check that a version's files are the ones that an image holds.

    Args:
        sha256: digest of the version's files.
        deployed: `sha256:…` of the model that the commit of the manifest names, None if it names none.
    """
    if deployed == f"sha256:{sha256}":
        return Check(id="same-model", status=Status.PASSED, message=f"Version {version} is the model in {image}.")
    said = f"its commit names model {deployed}" if deployed else "no commit of the manifest says which model is in it"
    return Check(
        id="same-model",
        status=Status.FAILED,
        reason="other-model",
        message=f"Version {version} (sha256:{sha256}) is not what {image} holds: {said}.",
        advice="Promote the version that was deployed.",
    )


def decision_check(message: str) -> Check:
    """Return the check that it is known what is to be done."""
    return Check(id="decision", status=Status.PASSED, message=message)


def manifest_check(told: str) -> Check:
    """Return the check that the manifest gives what was decided.

    Args:
        told: what it gives now, for people.
    """
    return Check(id="manifest", status=Status.PASSED, message=told)
