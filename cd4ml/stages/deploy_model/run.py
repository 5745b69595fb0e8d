"""Verify the evidence, write the image by digest into the GitOps repository, and start the canary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from cd4ml.checks.delivery.images import earlier_environment_check, manifest_check, pushed_image_check
from cd4ml.context import Context
from cd4ml.evidence.baseline import reported, unmoved
from cd4ml.evidence.model_code import code_check
from cd4ml.evidence.options import find_proof
from cd4ml.evidence.folder import FolderReports
from cd4ml.evidence.verify import Subject, verify_all
from cd4ml.gitops.address import manifest_path
from cd4ml.gitops.image import Image, image
from cd4ml.gitops.manifest import Manifest
from cd4ml.gitops.precedence import Order, carried_out, outpaced, overruled, refused
from cd4ml.gitops.repository import Clone, clone
from cd4ml.gitops.requests import Change, declined, deliver, outcome, requested
from cd4ml.gitops.route import route
from cd4ml.gitops.trailers import BASELINE, MODEL, message, replaced
from cd4ml.image.reference import same_image
from cd4ml.report import Check, ModelIdentity, Report, Status
from cd4ml.stages import JUDGES, evidence
from cd4ml.stages import about as evidence_of
from cd4ml.stages.deploy_model.options import Options
from cd4ml.stages.deploy_model.preflight import check_options

STAGE: Final = "deploy-model"


def run(options: Options, context: Context) -> Report:
    """Verify, plan, and push.

    Raises:
        OptionsError: the manifest has no place for the image, or options are of no allowed form.
        UnavailableError: the repository cannot be reached or refuses the push.
    """
    check_options(options)
    commit = context.checkout.head()
    context.progress(f"Verifying the evidence in {options.reports}")
    proof = find_proof(options)
    reports = FolderReports(folder=Path(options.reports), of=evidence_of, proof=proof)
    required = evidence(options.required_stages)
    checks, about = verify_all(reports, required, commit, judges=JUDGES, proof=proof)
    checks.append(_image_check(options, about))
    if about.image:
        checks.append(code_check(reports, allowed=options.allow_code))
    report = Report(
        stage=STAGE,
        checks=checks,
        candidate=ModelIdentity(uri="", sha256=about.model) if about.model else None,
        summary=_refusal(checks),
    )
    if report.status is not Status.PASSED:
        return report
    baseline = reported(reports, about)
    checks.append(unmoved(baseline, tracking_uri=options.tracking_uri, environ=context.environ))
    report = replace(report, checks=checks, summary=_refusal(checks))
    if report.status is not Status.PASSED:
        return report
    judged = {} if isinstance(baseline, str) else dict(zip(BASELINE, baseline.record, strict=True))
    return _deploy(options, context, about, report, judged)


def _image_check(options: Options, about: Subject) -> Check:
    """Check that the image to deploy is the one that was built, scanned and pushed."""
    wanted, pushed = options.image or about.image, about.image
    same = wanted is not None and pushed is not None and image(wanted).digest == image(pushed).digest
    return pushed_image_check(wanted, pushed, same=same)


class _Overruled(Exception):
    """What stands in the repository speaks against it; carries the failed check."""

    def __init__(self, check: Check) -> None:
        """Keep the check."""
        super().__init__(check.message)
        self.check = check


def _deploy(options: Options, context: Context, about: Subject, report: Report, judged: Mapping[str, str]) -> Report:
    """Write the plan, then the manifest.

    Args:
        judged: what the commit says that the model was judged against.
    """
    wanted = image(options.image or about.image or "")
    order = Order(image=wanted, weight=options.canary_weight, source=about.commit or "", checkout=context.checkout)
    path = manifest_path(options.manifest)
    try:
        context.progress(f"Cloning the branch {options.branch} of the GitOps repository")
        way = route(options, context.environ)
        with clone(options.repository, options.branch, context.environ, way) as repository:
            change = _change(order, options, path, repository)
            # Whatever stands against it is known before anything is announced.
            manifest = _manifest(change(repository.read(path)), options, wanted)
            plan = [f"Set {path}: it then gives {wanted} {manifest.share(wanted.digest)}.", way.plan]
            report = replace(report, checks=[*report.checks, *_earlier(options, wanted, repository)])
            context.save(replace(report, plan=plan, checks=()))
            context.progress(f"Committing to {path}, and pushing")
            asked = Change(
                manifest=path,
                make=change,
                message=partial(_message, order, {MODEL: f"sha256:{about.model}", **judged}, options),
                part=manifest.part,
                image=str(wanted),
                checks=report.checks,
            )
            done = deliver(repository, asked, context.progress)
            share = (manifest if done.pull else manifest.changed(repository.read(path))).share(wanted.digest)
            told = outcome(done, f"{path} gives {wanted.digest[:19]} {share}", options.branch)
    except _Overruled as overruled:
        checks = [*report.checks, overruled.check]
        return replace(report, checks=checks, summary=_refusal(checks))
    return replace(
        report,
        checks=[*report.checks, manifest_check(told)],
        plan=plan,
        summary=told,
        details={
            "manifest": path,
            "branch": options.branch,
            "changed": done.commit is not None,
            "recorded": repository.recorded,
        },
        outputs={
            "image": str(wanted),
            "commit": done.commit or "",
            "pull-request": done.address,
            "manifest-changed": str(done.commit is not None).lower(),
        },
    )


def _change(order: Order, options: Options, path: str, repository: Clone) -> Callable[[str], str]:
    """Return the change of the manifest, which looks anew at who goes first each time it is made."""

    def change(text: str) -> str:
        for check in _earlier(options, order.image, repository):
            if check.status is not Status.PASSED:
                raise _Overruled(check)
        manifest = _manifest(text, options, order.image)
        history = repository.history(path, manifest.served.others)
        if carried_out(order, manifest.state, history):
            manifest.confirm(order.image.digest)
            return text
        against = None if options.redeploy else overruled(order, manifest.state, history)
        if not options.redeploy and not against:
            against = outpaced(order, requested(repository, path, manifest.part))
            against = against or refused(declined(repository, path, manifest.part, str(order.image)))
        if against:
            raise _Overruled(against)
        return manifest.with_canary(order.image, order.weight)

    return change


def _earlier(options: Options, wanted: Image, repository: Clone) -> list[Check]:
    """Check that the environment before this one serves the image alone; nothing if none is named."""
    if options.after_manifest is None:
        return []
    path = manifest_path(options.after_manifest)
    earlier = Manifest(repository.read(path), part=options.manifest_path)
    alone, share = earlier.alone(wanted.digest), earlier.share(wanted.digest)
    return [earlier_environment_check(path, str(wanted), share, alone=alone)]


def _manifest(text: str, options: Options, image: Image) -> Manifest:
    """Return the manifest, and in it the application whose image is deployed."""
    return Manifest(text, repository=image.repository, part=options.manifest_path)


def _message(order: Order, judged: Mapping[str, str], options: Options, before: str, after: str) -> str:
    """Return the commit's message; scripts and later runs read its trailers."""
    earlier = _manifest(before, options, order.image)
    at_once = same_image(earlier.changed(after).stable, str(order.image))
    trailers = {**order.trailers, **judged, **(replaced(earlier, after) if at_once else {})}
    # Names in the manifest are somebody's texts: on one line they cannot pass for a trailer.
    share = " ".join(earlier.changed(after).share(order.image.digest).split())
    return message(f"Deploy {order.image.digest[7:19]}\n\nThe manifest gives it {share}.", trailers)


def _refusal(checks: Sequence[Check]) -> str:
    """Say in one sentence why nothing is deployed; empty if nothing stands in the way."""
    blocking = [check.message for check in checks if check.status is not Status.PASSED]
    return f"Nothing was deployed. {' '.join(blocking)}" if blocking else ""
