"""Make the canary production, or take it (or the last promotion) back.

The manifest moves first, then the alias of the registry; both steps look before they act, so a run that was cut off is
finished by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cd4ml.checks.delivery.images import approved_image_check, decision_check, manifest_check
from cd4ml.context import Context
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.evidence.options import Evidence, demanded
from cd4ml.evidence.reports import BUILD
from cd4ml.gitops.address import manifest_path
from cd4ml.gitops.history import Commit
from cd4ml.gitops.image import Image, image
from cd4ml.gitops.manifest import Manifest
from cd4ml.gitops.repository import Clone, clone
from cd4ml.gitops.requests import Change, Delivered, deliver, outcome
from cd4ml.gitops.route import check_route, route
from cd4ml.gitops.trailers import (
    IMAGE,
    PREVIOUS_IMAGE,
    PREVIOUS_VERSION,
    PROMOTED,
    ROLLED_BACK,
    VERSION,
    message,
    replaced,
)
from cd4ml.image.reference import same_image
from cd4ml.registry import alias_version
from cd4ml.registry.tags import Tagged
from cd4ml.report import Check, ModelIdentity, Report, Status
from cd4ml.stages import unknown_required
from cd4ml.stages.promote_model.evidence import evidence, same_model
from cd4ml.stages.promote_model.options import Options
from cd4ml.stages.promote_model.origin import Origin, point_alias, record_origin

STAGE: Final = "promote-model"


@dataclass(frozen=True, kw_only=True)
class _Decision:
    """What is to be done: the manifest's new text, the commit's message, and the alias's new version.

    Attributes:
        origin: of a promotion, where the image comes from.
    """

    plan: list[str]
    text: str
    message: str
    image: str
    version: str | None
    origin: Origin = Origin()


def run(options: Options, context: Context) -> Report:
    """Decide, write the plan, then move manifest and alias.

    Raises:
        OptionsError: there is nothing to promote or to take back, or options contradict each other.
        UnavailableError: the repository or the registry cannot be reached.
    """
    _check_options(options)
    path = manifest_path(options.manifest)
    context.progress(f"Cloning the branch {options.branch} of the GitOps repository")
    way = route(options, context.environ)
    with clone(options.repository, options.branch, context.environ, way) as repository:
        decision, checks, identity = _decide(repository, path, options, context)
        failed = [check.message for check in checks if check.status is not Status.PASSED]
        if failed:
            summary = f"Nothing was changed. {' '.join(failed)}"
            return Report(stage=STAGE, checks=checks, candidate=identity, summary=summary)
        context.save(Report(stage=STAGE, checks=(), candidate=identity, plan=decision.plan))
        context.progress(f"Committing to {path}, and pushing")
        asked = Change(
            manifest=path,
            make=_change(repository.read(path), decision, path),
            message=lambda before, after: decision.message,
            part=_manifest(decision.text, options).part,
            image=decision.image,
            checks=checks,
        )
        done = deliver(repository, asked, context.progress)
        told = _told(decision.text if done.pull else repository.read(path), decision, path, options)
    if done.pull:
        told, tagged = _requested(done, told, options), Tagged()
    else:
        told, tagged = _landed(done, told, decision, identity, options, context)
    return Report(
        stage=STAGE,
        checks=[*checks, manifest_check(told)],
        candidate=identity,
        plan=decision.plan,
        summary=told,
        details={
            "manifest": path,
            "branch": options.branch,
            "changed": done.commit is not None,
            "recorded": repository.recorded,
            "tags": tagged.document,
        },
        outputs={
            "image": decision.image,
            "commit": done.commit or "",
            "pull-request": done.address,
            "version": "" if done.pull else decision.version or "",
        },
    )


def _landed(
    done: Delivered, told: str, decision: _Decision, identity: ModelIdentity | None, options: Options, context: Context
) -> tuple[str, Tagged]:
    """Move the alias after the manifest, write on the version where it comes from, and say what is done."""
    if options.registered_model:
        context.progress(f"Asking the registry for {options.registered_model}")
    point_alias(decision.version, options, context)
    tagged = record_origin(decision.image, decision.origin, identity, options, context)
    alias = f"; {options.alias} is version {decision.version}" if decision.version else ""
    return f"{told}{'' if done.commit else ' already'}{alias}. {tagged.told}".rstrip(), tagged


def _requested(done: Delivered, told: str, options: Options) -> str:
    """Say what is left to be done: the alias follows the manifest, and that waits for the merge."""
    later = f" Run this again then: {options.alias} has not been moved." if options.registered_model else ""
    return f"{outcome(done, told, options.branch)}{later}"


def _check_options(options: Options) -> None:
    """Refuse options that contradict each other."""
    check_route(options)
    problems = unknown_required(options.required_stages)
    if options.reports and BUILD not in options.required_stages:
        problems.append(f"required-stages must include {BUILD}: its report says which image the others are about")
    if options.rollback and options.version is not None:
        problems.append("a roll-back goes to the version that its promotion replaced: leave version unset")
    if not options.rollback and (options.version is None) != (options.registered_model is None):
        problems.append("registered-model and version belong together: name both, or neither")
    if demanded(options) is not Evidence.UNSIGNED and not options.reports:
        problems.append("evidence is demanded, and no reports are given that could be it")
    if problems:
        raise OptionsError(problems)
    if options.image:
        image(options.image)


def _change(before: str, decision: _Decision, path: str) -> Callable[[str], str]:
    """Return the change of the manifest; neighbours may move, this file must be what the decision was made on."""

    def change(text: str) -> str:
        if text not in (before, decision.text):
            raise OptionsError(
                f"{path} was changed by someone else during this run", advice="Review the change, and run again."
            )
        return decision.text

    return change


def _manifest(text: str, options: Options) -> Manifest:
    """Return the manifest, and in it the application that is meant."""
    named = image(options.image).repository if options.image else None
    return Manifest(text, repository=named, part=options.manifest_path)


def _told(text: str, decision: _Decision, path: str, options: Options) -> str:
    """Say what the manifest gives the image now."""
    if not decision.image:
        return f"{path} has no stable image"
    return f"{path} gives {decision.image} {_manifest(text, options).share(decision.image)}"


def _decide(
    repository: Clone, path: str, options: Options, context: Context
) -> tuple[_Decision, list[Check], ModelIdentity | None]:
    """Decide what is to be done, without doing it."""
    manifest = _manifest(repository.read(path), options)
    if options.rollback:
        decision = _rollback(manifest, repository, path, options)
        return decision, [decision_check("The image to return to is known.")], None
    return _promotion(manifest, repository, path, options, context)


def _promotion(
    manifest: Manifest, repository: Clone, path: str, options: Options, context: Context
) -> tuple[_Decision, list[Check], ModelIdentity | None]:
    """Decide on making the canary the stable image."""
    state, name = manifest.state, manifest.repository
    digest = state.canary if state.weight else state.stable
    if digest is None:
        raise OptionsError("the manifest has neither a canary nor a stable image", advice="Run deploy-model first.")
    image = Image(repository=name, digest=digest)
    history = repository.history(path, manifest.served.others)
    deployed = next((commit for commit in history.commits if same_image(commit.trailer(IMAGE), str(image))), None)
    identity, checks = None, [approved_image_check(str(image), options.image)]
    if options.registered_model and options.version:
        identity, check = same_model(str(image), deployed, options, context)
        checks.append(check)
    found, reports = evidence(str(image), deployed, options, context)
    checks += found
    was = options.registered_model and alias_version(
        options.registered_model, options.alias, tracking_uri=options.tracking_uri, environ=context.environ
    )
    manifest.confirm(digest)
    text = manifest.promoted(image) if state.weight else manifest.text
    trailers = {
        PROMOTED: str(image),
        VERSION: options.version or "",
        PREVIOUS_VERSION: was or "",
        **replaced(manifest, text),
    }
    plan = [f"Make {image} the stable image."]
    if options.registered_model:
        plan.append(
            f"Point {options.alias} of {options.registered_model} at version {options.version} (now {was or 'unset'})."
        )
    decision = _Decision(
        plan=plan,
        text=text,
        message=message(f"Promote {digest[7:19]}", trailers),
        image=str(image),
        version=options.version,
        origin=Origin(deployed=deployed, reports=reports),
    )
    return decision, checks, identity


def _rollback(manifest: Manifest, repository: Clone, path: str, options: Options) -> _Decision:
    """Decide on taking back the canary, or what made the stable image stable."""
    state, name, stable = manifest.state, manifest.repository, manifest.stable or ""
    canary = f"{name}@{state.canary}" if state.canary and state.weight else ""
    if canary and (options.image is None or same_image(options.image, canary)):
        return _Decision(
            plan=[f"Switch the canary {canary} off."],
            text=manifest.without_canary(),
            message=message(f"Roll back canary {canary[-64:][:12]}", {ROLLED_BACK: canary}),
            image=stable,
            version=None,
        )

    def made_stable(commit: Commit) -> bool:
        return any(same_image(commit.trailer(name), stable) for name in (PROMOTED, IMAGE))

    history = repository.history(path, manifest.served.others)
    # A file may serve other applications, whose roll-backs are not this one's.
    ended = (
        commit for commit in history.commits if manifest.serves(commit.trailer(ROLLED_BACK)) or made_stable(commit)
    )
    done = next(ended, None)
    taken_back = done.trailer(ROLLED_BACK) if done else None
    named = options.image is None or same_image(options.image, taken_back)
    if done and taken_back and not same_image(taken_back, stable) and named:
        return _Decision(
            plan=["Nothing: the last change was this roll-back. Name an image to roll back another one."],
            text=manifest.text,
            message="",
            image=stable,
            version=done.trailer(VERSION) if options.registered_model else None,
        )
    if options.image is not None and not same_image(options.image, stable):
        raise OptionsError(
            f"{options.image} is neither the canary nor the stable image, and is not the one that was rolled back last"
        )
    last = next(filter(made_stable, history.commits), None)
    if last is None and not history.complete:
        raise UnavailableError(
            f"What {stable} replaced is unknown: the repository holds only the newest part of the branch's history.",
            advice="Complete the repository (`git fetch --unshallow` there), or set the image by hand.",
        )
    return _undone(manifest, stable, last, options)


def _undone(manifest: Manifest, stable: str, last: Commit | None, options: Options) -> _Decision:
    """Decide on undoing the change that made the stable image stable."""
    previous = last.trailer(PREVIOUS_IMAGE) if last else None
    if last is None or previous is None:
        found = f"{last.sha[:12]}, which deployed {stable}, replaced none" if last else f"no commit promoted {stable}"
        raise OptionsError(f"no earlier image is known: {found}", advice="Set the image by hand in the manifest.")
    version = (last.trailer(PREVIOUS_VERSION) or None) if options.registered_model else None
    plan = [f"Make {previous} the stable image again."]
    if options.registered_model:
        back = f"Point {options.alias} of {options.registered_model} back at version {version}."
        plan.append(
            back
            if version
            else f"Leave {options.alias} of {options.registered_model} where it is: it was unset before the promotion."
        )
    text = manifest.restored(previous)
    trailers = {ROLLED_BACK: stable, VERSION: version or "", **replaced(manifest, text)}
    title = f"Roll back to {previous[-64:][:12] if '@' in previous else previous}"
    image = manifest.changed(text).stable or previous
    return _Decision(plan=plan, text=text, message=message(title, trailers), image=image, version=version)
