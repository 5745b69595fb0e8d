"""What must hold before a canary is promoted: it is what was approved, evaluated and registered."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cd4ml import stages
from cd4ml.context import Context
from cd4ml.evidence.baseline import Baseline, recorded, reported, unmoved
from cd4ml.evidence.verify import Subject, verify_all
from cd4ml.gitops.history import Commit
from cd4ml.gitops.trailers import BASELINE, MODEL, SOURCE
from cd4ml.image.reference import same_image
from cd4ml.registry import fetch
from cd4ml.report import Check, ModelIdentity, Status
from cd4ml.stages.promote_model.options import Options


def approved(image: str, options: Options) -> Check:
    """Check that the image in the manifest is the one that was approved, if one was named."""
    if options.image is None:
        message = f"No image was named; using {image} from the manifest."
        return Check(id="decision", status=Status.PASSED, message=message)
    if same_image(options.image, image):
        return Check(id="same-image", status=Status.PASSED, message=f"The manifest holds {image}, as approved.")
    return Check(
        id="same-image",
        status=Status.FAILED,
        reason="other-image",
        message=f"The manifest holds {image}, not the approved {options.image}.",
        advice="Review the image that runs as canary now, and approve that one.",
    )


def evidence(folder: str, image: str, deployed: Commit | None, options: Options) -> list[Check]:
    """Check the reports once more: about the commit and the model that the deployment names, and about this image."""
    commit = _said(deployed, SOURCE)
    checks, about = verify_all(Path(folder), stages.evidence(options.required_stages), commit, judges=stages.JUDGES)
    named = _said(deployed, MODEL)
    if same_image(about.image, image) and about.model is not None and named == f"sha256:{about.model}":
        message = f"The reports are about {image} and its model."
        return [*checks, Check(id="evidence-image", status=Status.PASSED, message=message)]
    failed = Check(
        id="evidence-image",
        status=Status.FAILED,
        reason="other-image",
        message=f"The report of build-image is about {about.image or 'no image'}, not about {image} and its model.",
        advice="Pass on the reports of the run that deployed this image.",
    )
    return [*checks, failed]


def _said(deployed: Commit | None, trailer: str) -> str | None:
    """Return what the deploying commit says, None if there is none or it does not say."""
    return deployed.trailer(trailer) if deployed else None


def production(deployed: Commit | None, options: Options, context: Context) -> Check:
    """Check that production still is what the deployed model was judged against."""
    alias, version, candidate = (_said(deployed, name) for name in BASELINE)
    judged: Baseline | str | None = recorded(alias, version, candidate)
    if judged is None and options.reports:
        model = (_said(deployed, MODEL) or "").removeprefix("sha256:")
        judged = reported(Path(options.reports), Subject(image=None, model=model, commit=None))
    judged = judged or "No commit says which version of an alias the model was judged against"
    registry, promoted = options.tracking_uri, options.version
    return unmoved(judged, tracking_uri=registry, environ=context.environ, promoted=promoted)


def same_model(image: str, deployed: Commit | None, options: Options, context: Context) -> tuple[ModelIdentity, Check]:
    """Check that the version's files are the ones that the canary's commit names."""
    uri = f"models:/{options.registered_model}/{options.version}"
    with tempfile.TemporaryDirectory(prefix="cd4ml-promote-") as folder:
        target = Path(folder) / "model"
        _, identity = fetch(uri, target, tracking_uri=options.tracking_uri, environ=context.environ)
    named = _said(deployed, MODEL)
    if named == f"sha256:{identity.sha256}":
        message = f"Version {options.version} is the model in {image}."
        return identity, Check(id="same-model", status=Status.PASSED, message=message)
    said = f"its commit names model {named}" if named else "no commit of the manifest says which model is in it"
    return identity, Check(
        id="same-model",
        status=Status.FAILED,
        reason="other-model",
        message=f"Version {options.version} (sha256:{identity.sha256}) is not what {image} holds: {said}.",
        advice="Promote the version that was deployed.",
    )
