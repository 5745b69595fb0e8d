"""Verify the evidence, write the image by digest into the GitOps repository, and start the canary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml import git
from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import option
from cd4ml.report import Check, ModelIdentity, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.evidence.verify import Subject
    from cd4ml.gitops.manifest import Image
    from cd4ml.gitops.repository import Clone

STAGE: Final = "deploy-model"
OUTPUTS: Final[dict[str, str]] = {
    "image": "The image that is deployed, by digest.",
    "commit": "The commit in the GitOps repository; empty if there was nothing to change.",
}
REQUIRED: Final = ("check-code", "validate-data", "evaluate-model", "audit-fairness", "build-image")


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of deploy-model."""

    repository: str = option(
        "The GitOps repository: an https or ssh address, or a local folder. CD4ML_GIT_TOKEN in the environment is used "
        "for https.",
        required=True,
        example="https://github.com/OWNER/gitops.git",
    )
    branch: str = option("Branch to commit to.", default="main")
    manifest: str = option(
        "File in the repository: Helm values, a kustomization or Kubernetes manifests.",
        required=True,
        example="credit/values.yaml",
    )
    image: str | None = option("Image by digest (default: the one in build-image's report).")
    canary_weight: int = option("Share of traffic in percent that the new image gets.", default=10)
    reports: str = option("Folder of the reports of the earlier stages.", default="reports")
    required_stages: tuple[str, ...] = option("Stages whose reports must have passed.", default=REQUIRED)


def run(options: Options, context: Context) -> Report:
    """Verify, plan, and push.

    Raises:
        OptionsError: the manifest has no place for the image, or options are of no allowed form.
        UnavailableError: the repository cannot be reached or refuses the push.
    """
    from cd4ml.evidence.verify import verify_all

    _check_options(options)
    commit = git.head(context.directory)
    checks, about = verify_all(Path(options.reports), options.required_stages, commit)
    checks.append(_image_check(options, about))
    report = Report(
        stage=STAGE,
        checks=checks,
        candidate=ModelIdentity(uri="", sha256=about.model) if about.model else None,
        summary=_refusal(checks),
    )
    if report.status is not Status.PASSED:
        return report
    return _deploy(options, context, about, report)


def _check_options(options: Options) -> None:
    """Refuse what cannot be carried out."""
    from cd4ml.stages import STAGES

    problems = []
    if not 1 <= options.canary_weight <= 100:
        problems.append(f"canary-weight must lie between 1 and 100, got {options.canary_weight}")
    problems += [f"required-stages: `{name}` is no stage" for name in options.required_stages if name not in STAGES]
    if "build-image" not in options.required_stages:
        problems.append("required-stages must hold build-image: its report says which model is in the image")
    if problems:
        raise OptionsError(problems)


def _image_check(options: Options, about: Subject) -> Check:
    """Check that the image to deploy is the one that was built, scanned and pushed."""
    from cd4ml.gitops.manifest import image

    wanted = options.image or about.image
    if about.image is None or wanted is None:
        return Check(
            id="image",
            status=Status.FAILED,
            reason="no-image",
            message="The report of build-image names no image that was pushed.",
            advice="Build with push: true.",
        )
    if image(wanted).digest != image(about.image).digest:
        return Check(
            id="image",
            status=Status.FAILED,
            reason="other-image",
            message=f"{wanted} is not the image that build-image pushed ({about.image}).",
            advice="Leave image unset, or build it.",
        )
    return Check(id="image", status=Status.PASSED, message=f"{wanted} is the image that build-image pushed.")


def _deploy(options: Options, context: Context, about: Subject, report: Report) -> Report:
    """Write the plan, then the manifest."""
    from cd4ml.gitops.manifest import Manifest, image
    from cd4ml.gitops.repository import clone, land, manifest_path

    wanted = image(options.image or about.image or "")
    path = manifest_path(options.manifest)
    with clone(options.repository, options.branch, context.environ) as repository:
        refused = _withdrawn(repository, path, wanted)
        if refused:
            return replace(report, checks=[*report.checks, refused], summary=refused.message)
        Manifest(repository.read(path)).with_canary(wanted, options.canary_weight)
        plan = [
            f"Set the canary of {path} to {wanted} with {options.canary_weight} % of the traffic.",
            "Commit and push.",
        ]
        context.save(replace(report, plan=plan, checks=()))
        message = _message(options, about, wanted)
        commit = land(repository, path, _canary(wanted, options), message, progress=context.progress)
    done = f"{path} has {wanted} as canary with {options.canary_weight} % of the traffic"
    told = f"{done}: commit {commit[:12]} on {options.branch}." if commit else f"{done} already: nothing to change."
    return replace(
        report,
        checks=[*report.checks, Check(id="manifest", status=Status.PASSED, message=told)],
        plan=plan,
        summary=told,
        details={"manifest": path, "branch": options.branch, "changed": commit is not None},
        outputs={"image": str(wanted), "commit": commit or ""},
    )


def _canary(wanted: Image, options: Options) -> Callable[[str], str]:
    """Return the change of the manifest; an image that already serves everything stays as it is."""
    from cd4ml.gitops.manifest import Manifest

    def change(text: str) -> str:
        manifest = Manifest(text)
        if manifest.state.stable == wanted.digest:
            return text
        return manifest.with_canary(wanted, options.canary_weight)

    return change


def _withdrawn(repository: Clone, path: str, wanted: Image) -> Check | None:
    """Return a failed check if somebody took this very image back after it was last deployed."""
    history = repository.history(path)
    deployed = {commit.sha: commit.trailer("Cd4ml-Image") for commit in history}
    for commit in history:  # newest first: whichever was last, deploying or taking back, decides
        if commit.trailer("Cd4ml-Image") == str(wanted):
            return None
        reverted = {deployed.get(sha) for sha in _reverted(commit.message)}
        if str(wanted) in reverted | {commit.trailer("Cd4ml-Rolled-Back")}:
            return Check(
                id="not-withdrawn",
                status=Status.FAILED,
                reason="rolled-back",
                message=f"{wanted} was deployed before and taken back in {commit.sha[:12]}.",
                advice="Deploy a new build, or undo the roll-back in the GitOps repository by hand.",
            )
    return None


def _reverted(message: str) -> list[str]:
    """Return the commits that a `git revert` message names."""
    import re

    return re.findall(r"This reverts commit ([0-9a-f]{40})", message)


def _message(options: Options, about: Subject, wanted: Image) -> str:
    """Return the commit's message; scripts and later runs read its trailers."""
    trailers = {
        "Cd4ml-Image": str(wanted),
        "Cd4ml-Model": f"sha256:{about.model}",
        "Cd4ml-Source": about.commit or "",
        "Cd4ml-Canary-Weight": str(options.canary_weight),
    }
    lines = "\n".join(f"{name}: {value}" for name, value in trailers.items())
    return f"Start canary {wanted.digest[7:19]} at {options.canary_weight} %\n\n{lines}\n"


def _refusal(checks: Sequence[Check]) -> str:
    """Say in one sentence why nothing is deployed; empty if nothing stands in the way."""
    blocking = [check.message for check in checks if check.status is not Status.PASSED]
    return f"Nothing was deployed. {' '.join(blocking)}" if blocking else ""
