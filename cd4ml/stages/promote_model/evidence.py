"""What must hold before a canary is promoted: it is what was evaluated and registered."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cd4ml import stages
from cd4ml.checks.delivery.images import evidence_image_check, same_model_check
from cd4ml.context import Context
from cd4ml.evidence.baseline import Baseline, recorded, reported, unmoved
from cd4ml.evidence.options import find_proof
from cd4ml.evidence.folder import FolderReports, Reports
from cd4ml.evidence.verify import Subject, counting, verify_all
from cd4ml.gitops.history import Commit
from cd4ml.gitops.trailers import BASELINE, MODEL, SOURCE
from cd4ml.registry import fetch
from cd4ml.report import Check, ModelIdentity, Report
from cd4ml.stages.promote_model.options import Options


def evidence(
    image: str, deployed: Commit | None, options: Options, context: Context
) -> tuple[list[Check], list[Report]]:
    """Check production and, where reports are given, these once more; return also those that count.

    They must be about the commit and the model that the deployment names, and about this image.
    """
    if not options.reports:
        return [production(deployed, options, context)], []
    proof = find_proof(options)
    reports = FolderReports(folder=Path(options.reports), of=stages.about, proof=proof)
    judged = production(deployed, options, context, reports)
    required = stages.evidence(options.required_stages)
    checks, about = verify_all(reports, required, _said(deployed, SOURCE), judges=stages.JUDGES, proof=proof)
    same_model = about.model is not None and _said(deployed, MODEL) == f"sha256:{about.model}"
    image_check = evidence_image_check(image, about.image, same_model=same_model)
    return [judged, *checks, image_check], counting(reports, stages.evidence(stages.PIPELINE), about)


def _said(deployed: Commit | None, trailer: str) -> str | None:
    """Return what the deploying commit says, None if there is none or it does not say."""
    return deployed.trailer(trailer) if deployed else None


def production(deployed: Commit | None, options: Options, context: Context, reports: Reports | None = None) -> Check:
    """Check that production still is what the deployed model was judged against."""
    alias, version, candidate = (_said(deployed, name) for name in BASELINE)
    judged: Baseline | str | None = recorded(alias, version, candidate)
    if judged is None and reports:
        model = (_said(deployed, MODEL) or "").removeprefix("sha256:")
        judged = reported(reports, Subject(image=None, model=model, commit=None))
    judged = judged or "No commit says which version of an alias the model was judged against"
    registry, promoted = options.tracking_uri, options.version
    return unmoved(judged, tracking_uri=registry, environ=context.environ, promoted=promoted)


def same_model(image: str, deployed: Commit | None, options: Options, context: Context) -> tuple[ModelIdentity, Check]:
    """Check that the version's files are the ones that the canary's commit names."""
    uri = f"models:/{options.registered_model}/{options.version}"
    with tempfile.TemporaryDirectory(prefix="cd4ml-promote-") as folder:
        target = Path(folder) / "model"
        _, identity = fetch(uri, target, tracking_uri=options.tracking_uri, environ=context.environ)
    return identity, same_model_check(image, str(options.version), identity.sha256, _said(deployed, MODEL))
