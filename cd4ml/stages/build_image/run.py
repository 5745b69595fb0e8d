"""Build the serving image, call it, scan it, and push it by digest; nothing is pushed unless every check passed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cd4ml.checks.image.model_code import of_code
from cd4ml.context import Context
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image import base as bases
from cd4ml.image import dockerfile, ignores, reference, scan
from cd4ml.image.base import Base
from cd4ml.image.builders.builder import Build, Builder, Image
from cd4ml.image.builders.failure import BuildFailed
from cd4ml.image.engine import detect
from cd4ml.image.ignores import Ignore
from cd4ml.image.push import push
from cd4ml.image.reference import Reference, parse
from cd4ml.model_files import code_of
from cd4ml.process.descendants import beside
from cd4ml.registry import fetch
from cd4ml.report import Check, ModelIdentity, Report, Status
from cd4ml.scoring import environment
from cd4ml.stages.build_image.checks import judge, scan_image, simulate_image
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.state import Run, unfinished

MODEL_LABEL: Final = "io.cd4ml.model.sha256"
# What the gateway needs beside the model's own packages; the lock chooses versions that fit both.
_GATEWAY: Final = ("fastapi>=0.115,<1", "uvicorn>=0.30,<1", "pandas", "mlflow-skinny")


def run(options: Options, context: Context) -> Report:
    """Render, build, simulate, scan and push, in that order.

    Raises:
        OptionsError: options that contradict each other or do not follow their grammar.
        UnavailableError: model, engine, Trivy, its database or the registry of images cannot be reached.
    """
    reference, ignores = _validated(options)
    engine = detect(options.engine, context.environ)
    trivy = scan.find_trivy(options.trivy, context.environ)
    with tempfile.TemporaryDirectory(prefix="cd4ml-image-") as name:
        scratch = Path(name)
        context.progress(f"fetching the model {options.model}")
        model, candidate = fetch(
            options.model, scratch / "fetched", tracking_uri=options.tracking_uri, environ=context.environ
        )
        reference = _tagged(reference, candidate)
        state = Run(options=options, candidate=candidate, plan=_plan(options, reference, engine.name))
        context.save(unfinished(state))
        if not _may_load(state, model):
            return state.report(f"{state.checks[-1].message} Nothing was built.")
        image = _build(state, reference, model, scratch, engine, context)
        if image is None:
            return state.report("The image could not be built; nothing was pushed.")
        with beside(lambda: scan_image(options, reference, scratch, engine, trivy, context)) as scanned:
            simulate_image(state, image, model, engine, context)
            judge(state, image, scanned.result(), ignores)
        return _push(state, reference, image, engine, context)


def _validated(options: Options) -> tuple[Reference, Sequence[Ignore]]:
    """Check the options before anything is done, and report all that is wrong at once."""
    problems: list[str] = []
    if options.simulate and not (options.test_data and options.predictions):
        problems.append(
            "test-data and predictions are required: the image must predict what was scored (or set simulate: false)"
        )
    if options.startup_seconds <= 0 or options.maximum_database_age < 0:
        problems.append("startup-seconds must be positive, maximum-database-age not negative")
    accepted: Sequence[Ignore] = ()
    name = None
    for step in (
        lambda: reference.parse(options.image, "image"),
        lambda: dockerfile.render(options.base_image, options.system_packages),
        lambda: scan.severities(options.severity),
    ):
        try:
            result = step()
            name = name or (result if isinstance(result, reference.Reference) else None)
        except OptionsError as error:
            problems += error.problems
    if name is not None and name.digest:
        problems.append("image: give a name to push to, without a digest")
    if options.ignore_file:
        accepted = ignores.read_ignores(Path(options.ignore_file))
    if problems or name is None:
        raise OptionsError(problems)
    return name, accepted


def _tagged(reference: Reference, candidate: ModelIdentity) -> Reference:
    """Return the name with a tag; by default one that says which model is inside."""
    from dataclasses import replace

    return reference if reference.tag else replace(reference, tag=f"model-{candidate.sha256[:12]}")


def _plan(options: Options, reference: Reference, engine: str) -> list[str]:
    """Return what the stage is about to do."""
    steps = [f"render a Dockerfile on {options.base_image}", f"build {reference} with {engine}"]
    steps.append("start it and compare its predictions" if options.simulate else "start it")
    steps.append(f"scan it with Trivy; {', '.join(scan.severities(options.severity))} block")
    steps.append(f"push {reference} if every check passed" if options.push else "push nothing (push is false)")
    return steps


def _may_load(state: Run, model: Path) -> bool:
    """Note what would run when the model is loaded, and return whether it may be."""
    found = code_of(model)
    state.checks.append(of_code(found, allowed=state.options.allow_code))
    if found:
        state.details["code"] = found
    return state.good


def _build(
    state: Run, reference: Reference, model: Path, scratch: Path, engine: Builder, context: Context
) -> Image | None:
    """Render the Dockerfile and build; None if the build failed, which is then a check."""
    options = state.options
    found = bases.resolve(engine, parse(options.base_image, "base-image"), context.progress)
    base = found.reference
    state.details["base"] = found.details()
    state.checks.append(found.check())
    contents = bases.contents(engine, base)
    python = _python(str(base), str(contents["python"]), model)
    context.progress("locking the image's requirements")
    lock = environment.lock_requirements(model, extra=_GATEWAY, python_version=python, context=context)
    folder = scratch / "context"
    folder.mkdir()
    text = dockerfile.render(str(base), options.system_packages)
    service = dockerfile.Service(
        name=_service_name(state.candidate),
        version=state.candidate.version,
        sha256=state.candidate.sha256,
        positive_label=options.positive_label,
        allow_code="code" in state.details,
    )
    dockerfile.write_context(folder, dockerfile=text, requirements=lock, model=model, service=service, base=contents)
    state.details |= {"dockerfile": text, "engine": engine.name, "image": str(reference)}
    plan = Build(
        context=folder,
        image=reference,
        base=base,
        labels=bases.own_labels(_labels(state, found), found.labels),
        network=options.build_network,
        extra_ca=_existing(options.extra_ca, "extra-ca"),
    )
    context.progress(f"building {reference} with {engine.name}")
    try:
        engine.build(plan)
    except BuildFailed as error:
        message = f"The build failed: {error}"
        state.checks.append(
            Check(id="image-builds", status=Status.FAILED, reason="build-failed", message=message, advice=error.advice)
        )
        return None
    return _built(state, reference, engine)


def _built(state: Run, reference: Reference, engine: Builder) -> Image:
    """Note what was built."""
    image = engine.image(str(reference))
    if image is None:
        raise UnavailableError(f"{engine.name} built {reference} but does not list it.")
    labelled = image.labels.get(MODEL_LABEL) == state.candidate.sha256
    state.checks.append(
        Check(id="image-builds", status=Status.PASSED, message=f"{reference} is built: {image.id}.", value=image.id)
        if labelled
        else Check(
            id="image-builds",
            status=Status.FAILED,
            reason="other-label",
            message=f"The image's label {MODEL_LABEL} is not the model's digest.",
            advice="The engine did not set the label; build with another engine.",
        )
    )
    state.details |= {"image_id": image.id, "size": image.size, "user": image.user, "labels": dict(image.labels)}
    return image


def _python(base: str, said: str, model: Path) -> str:
    """Return the base's Python version; it must be the one that the model was saved with."""
    wanted = environment.python_version(model)
    if said != wanted:
        raise OptionsError(
            f"base-image: {base} has Python {said}, and the model was saved with {wanted}",
            advice=f"Set base-image to one with Python {wanted}, such as python:{wanted}-slim.",
        )
    if tuple(map(int, said.split("."))) < (3, 11):
        raise OptionsError(f"base-image: Python {said}; the gateway needs 3.11 or later")
    return said


def _service_name(candidate: ModelIdentity) -> str:
    """Return what the gateway calls the model."""
    return candidate.name or Path(candidate.uri).name or "model"


def _labels(state: Run, base: Base) -> dict[str, str]:
    """Return the image's labels."""
    candidate, name = state.candidate, _service_name(state.candidate)
    labels = {
        MODEL_LABEL: candidate.sha256,
        "io.cd4ml.model.name": name,
        "io.cd4ml.model.version": candidate.version or "",
        "io.cd4ml.model.allow-code": "true" if "code" in state.details else "",
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": candidate.version or candidate.sha256[:12],
        "org.opencontainers.image.base.name": base.wanted,
        "org.opencontainers.image.base.digest": base.digest or "",
    }
    return {key: " ".join(value.split()) for key, value in labels.items() if value}


def _existing(path: str | None, name: str) -> Path | None:
    """Return the path of a file that must be there."""
    if path is None:
        return None
    # A comma would start another setting of the engine's --secret.
    if "," in path:
        raise OptionsError(f"{name}: the path must not hold a comma")
    try:
        found = Path(path).is_file()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a character that no name can
        raise UnavailableError(f"{name}: {path[:200]!r} cannot be read: {error}.") from error
    if not found:
        raise UnavailableError(f"{name}: {path}: no such file.")
    return Path(path).resolve()


def _push(state: Run, reference: Reference, image: Image, engine: Builder, context: Context) -> Report:
    """Push if everything passed, and say clearly if not."""
    if not state.good:
        return state.report(f"{reference} is blocked; nothing was pushed.")
    if not state.options.push:
        return state.report(f"{reference} is built and every check passed; nothing was pushed (push is false).")
    context.save(unfinished(state))
    context.progress(f"pushing {reference}")
    digest = push(engine, reference, image.id)
    state.outputs = {"image": reference.by_digest(digest), "digest": digest}
    state.details["digest"] = digest
    state.checks.append(
        Check(
            id="pushed",
            status=Status.PASSED,
            message=f"The registry serves what was built and checked: {reference.by_digest(digest)}.",
            value=digest,
        )
    )
    return state.report(f"Pushed {reference.by_digest(digest)}.")
