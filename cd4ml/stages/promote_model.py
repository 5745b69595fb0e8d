"""Make the canary production, or take it (or the last promotion) back.

The manifest moves first, then the alias of the registry; both steps look before they act, so a run that was cut off is
finished by the next one.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import option
from cd4ml.report import Check, ModelIdentity, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.gitops.manifest import Manifest
    from cd4ml.gitops.repository import Clone, Commit

STAGE: Final = "promote-model"
OUTPUTS: Final[dict[str, str]] = {
    "image": "The image that serves all traffic afterwards.",
    "commit": "The commit in the GitOps repository; empty if there was nothing to change.",
    "version": "The version that the alias points at afterwards; empty if no model is named.",
}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of promote-model."""

    repository: str = option(
        "The GitOps repository: an https or ssh address, or a local folder.",
        required=True,
        example="https://github.com/OWNER/gitops.git",
    )
    branch: str = option("Branch to commit to.", default="main")
    manifest: str = option("File in the repository, as for deploy-model.", required=True, example="credit/values.yaml")
    model: str | None = option("Registered model whose alias is moved.", example="credit")
    version: str | None = option("Version to promote; its files must be the ones in the canary's image.", example="7")
    alias: str = option("Alias of the production version.", default="champion")
    tracking_uri: str | None = option("The MLflow registry (default: MLFLOW_TRACKING_URI).")
    rollback: bool = option("Take back: the canary if there is one, else the last promotion.", default=False)


@dataclass(frozen=True, kw_only=True)
class _Decision:
    """What is to be done: the manifest's new text, the commit's message, and the alias's new version."""

    plan: list[str]
    text: str
    message: str
    image: str
    version: str | None


def run(options: Options, context: Context) -> Report:
    """Decide, write the plan, then move manifest and alias.

    Raises:
        OptionsError: there is nothing to promote or to take back, or the version is not what the canary runs.
        UnavailableError: the repository or the registry cannot be reached.
    """
    from cd4ml.gitops.repository import clone, land, manifest_path

    if (options.version is None) != (options.model is None) and not options.rollback:
        raise OptionsError("model and version belong together: name both, or neither")
    path = manifest_path(options.manifest)
    with clone(options.repository, options.branch, context.environ) as repository:
        decision, checks, identity = _decide(repository, path, options, context)
        if any(check.status is not Status.PASSED for check in checks):
            summary = f"Nothing was changed. {checks[-1].message}"
            return Report(stage=STAGE, checks=checks, candidate=identity, summary=summary)
        before = repository.read(path)
        context.save(Report(stage=STAGE, checks=(), candidate=identity, plan=decision.plan))

        def change(text: str) -> str:
            if text != before:
                raise OptionsError(
                    f"{path} was changed by somebody else meanwhile", advice="Look at it, and run again."
                )
            return decision.text

        def again(text: str) -> str:
            # Neighbours in the same repository may move; only this manifest must be what the decision was made on.
            return decision.text if text == decision.text else change(text)

        commit = land(repository, path, again, decision.message, progress=context.progress)
    _move_alias(decision, options, context)
    told = f"{decision.image} serves all traffic" + (
        f"; {options.alias} is version {decision.version}" if decision.version else ""
    )
    checks.append(Check(id="manifest", status=Status.PASSED, message=f"{told}." if commit else f"{told} already."))
    return Report(
        stage=STAGE,
        checks=checks,
        candidate=identity,
        plan=decision.plan,
        summary=checks[-1].message,
        details={"manifest": path, "branch": options.branch, "changed": commit is not None},
        outputs={"image": decision.image, "commit": commit or "", "version": decision.version or ""},
    )


def _decide(
    repository: Clone, path: str, options: Options, context: Context
) -> tuple[_Decision, list[Check], ModelIdentity | None]:
    """Decide what is to be done, without doing it."""
    from cd4ml.gitops.manifest import Manifest

    manifest = Manifest(repository.read(path))
    history = repository.history(path)
    if options.rollback:
        return _rollback(manifest, history, options), [_sound("The roll-back is possible.")], None
    return _promotion(manifest, history, options, context)


def _sound(message: str) -> Check:
    """Return the check that the decision rests on."""
    return Check(id="decision", status=Status.PASSED, message=message)


def _promotion(
    manifest: Manifest, history: list[Commit], options: Options, context: Context
) -> tuple[_Decision, list[Check], ModelIdentity | None]:
    """Decide on making the canary the stable image."""
    from cd4ml.gitops.manifest import Image
    from cd4ml.registry import alias_version

    state, name = manifest.state, manifest.places.repository or ""
    digest = state.canary if state.weight else state.stable
    if digest is None:
        raise OptionsError("the manifest has neither a canary nor a stable image", advice="Run deploy-model first.")
    image = Image(repository=name, digest=digest)
    identity, checks = None, []
    if options.model and options.version:
        identity, check = _same_model(str(image), history, options, context)
        checks.append(check)
    else:
        checks.append(_sound("No registered model is named; only the manifest moves."))
    was = options.model and alias_version(
        options.model, options.alias, tracking_uri=options.tracking_uri, environ=context.environ
    )
    trailers = {
        "Cd4ml-Promoted": str(image),
        "Cd4ml-Version": options.version or "",
        "Cd4ml-Previous-Version": was or "",
    }
    if state.stable and state.stable != digest:
        trailers["Cd4ml-Previous-Image"] = f"{name}@{state.stable}"
    plan = [f"Make {image} the stable image with all traffic."]
    if options.model:
        plan.append(f"Point {options.alias} of {options.model} at version {options.version} (now {was or 'unset'}).")
    decision = _Decision(
        plan=plan,
        text=manifest.promoted(image) if state.weight else manifest.text,
        message=_message(f"Promote {digest[7:19]}", trailers),
        image=str(image),
        version=options.version,
    )
    return decision, checks, identity


def _same_model(image: str, history: list[Commit], options: Options, context: Context) -> tuple[ModelIdentity, Check]:
    """Check that the version's files are the ones that the canary's commit names."""
    from cd4ml.registry import fetch

    uri = f"models:/{options.model}/{options.version}"
    with tempfile.TemporaryDirectory(prefix="cd4ml-promote-") as folder:
        target = Path(folder) / "model"
        _, identity = fetch(uri, target, tracking_uri=options.tracking_uri, environ=context.environ)
    deployed = next((commit for commit in history if commit.trailer("Cd4ml-Image") == image), None)
    named = deployed.trailer("Cd4ml-Model") if deployed else None
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


def _rollback(manifest: Manifest, history: list[Commit], options: Options) -> _Decision:
    """Decide on taking back the canary, or the last promotion."""
    from cd4ml.gitops.manifest import image

    state, name = manifest.state, manifest.places.repository or ""
    if state.canary and state.weight:
        taken = f"{name}@{state.canary}"
        return _Decision(
            plan=[f"Switch the canary {taken} off."],
            text=manifest.without_canary(),
            message=_message(f"Take back canary {state.canary[7:19]}", {"Cd4ml-Rolled-Back": taken}),
            image=f"{name}@{state.stable}" if state.stable else "",
            version=None,
        )
    if history and history[0].trailer("Cd4ml-Rolled-Back"):
        done = history[0]
        version = done.trailer("Cd4ml-Version") if options.model else None
        return _Decision(
            plan=["Nothing: the last commit is a roll-back."],
            text=manifest.text,
            message="",
            image=f"{name}@{state.stable}" if state.stable else "",
            version=version,
        )
    promoted = f"{name}@{state.stable}"
    last = next((commit for commit in history if commit.trailer("Cd4ml-Promoted") == promoted), None)
    previous = last.trailer("Cd4ml-Previous-Image") if last else None
    if last is None or previous is None:
        raise OptionsError(
            "no earlier image is known", advice="The manifest's history holds no promotion of the stable image."
        )
    version = (last.trailer("Cd4ml-Previous-Version") or None) if options.model else None
    trailers = {"Cd4ml-Rolled-Back": promoted, "Cd4ml-Version": version or ""}
    plan = [f"Make {previous} the stable image again."]
    if version:
        plan.append(f"Point {options.alias} of {options.model} back at version {version}.")
    return _Decision(
        plan=plan,
        text=manifest.promoted(image(previous)),
        message=_message(f"Roll back to {previous[-64:][:12]}", trailers),
        image=previous,
        version=version,
    )


def _move_alias(decision: _Decision, options: Options, context: Context) -> None:
    """Point the alias at the version, if it is not there already."""
    from cd4ml.registry import alias_version, set_alias

    if options.model is None or not decision.version:
        return
    name, alias, uri = options.model, options.alias, options.tracking_uri
    if alias_version(name, alias, tracking_uri=uri, environ=context.environ) != decision.version:
        set_alias(name, alias, decision.version, tracking_uri=uri, environ=context.environ)


def _message(title: str, trailers: dict[str, str]) -> str:
    """Return a commit message; later runs read its trailers."""
    lines = "\n".join(f"{key}: {value}" for key, value in trailers.items() if value)
    return f"{title}\n\n{lines}\n"
