"""Build the serving image, call it, scan it, and push it by digest; nothing is pushed unless every check passed."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.dialect import TableOptions
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.options import option
from cd4ml.process import beside
from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.image.base import Base
    from cd4ml.image.engine import Engine
    from cd4ml.image.facts import Image
    from cd4ml.image.ignores import Ignore
    from cd4ml.image.reference import Reference
    from cd4ml.image.scan import Scan
    from cd4ml.image.simulate import Simulation

STAGE: Final = "build-image"
OUTPUTS: Final[dict[str, str]] = {
    "image": "The pushed image by digest, name@sha256:…; empty if nothing was pushed.",
    "digest": "The pushed image's digest, sha256:…; empty if nothing was pushed.",
}
MODEL_LABEL: Final = "io.cd4ml.model.sha256"
# What the gateway needs beside the model's own packages; the lock chooses versions that fit both.
_GATEWAY: Final = ("fastapi>=0.115,<1", "uvicorn>=0.30,<1", "pandas", "mlflow-skinny")
_MINIMUM_ROWS: Final = 20


class EngineName(StrEnum):
    """Which program builds."""

    AUTO = "auto"
    DOCKER = "docker"
    PODMAN = "podman"
    BUILDAH = "buildah"


class Network(StrEnum):
    """The network that the build's commands have."""

    DEFAULT = "default"
    HOST = "host"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of build-image."""

    model: str = option(
        "The candidate: `models:/<name>/<version>`, `models:/<name>@<alias>` or an MLflow model's folder.",
        required=True,
        example="models:/loan-approval@challenger",
    )
    image: str = option(
        "Name of the image; without a tag it gets one from the model's digest.",
        required=True,
        example="ghcr.io/owner/loan-approval",
    )
    push: bool = option("Push the image once every check has passed.", default=False)
    test_data: str | None = option(
        "Rows that score-model scored, to be sent to the image.", example="data/test.parquet"
    )
    predictions: str | None = option(
        "Predictions table that the image's answers must equal.", example="predictions.parquet"
    )
    simulate: bool = option("Compare the image's predictions with the scored ones.", default=True)
    positive_label: str | None = option(
        "Class whose probability is the score; default: the greater of two.", of_data=True
    )
    base_image: str = option("Base of the image; it brings Python.", default="python:3.11-slim")
    system_packages: tuple[str, ...] = option("Debian packages that the model's libraries need.", example="libgomp1")
    engine: EngineName = option("What builds; `auto` takes the first that answers.", default=EngineName.AUTO)
    severity: tuple[str, ...] = option(
        "Severities that block; worse ones block with them.", default=("CRITICAL", "HIGH")
    )
    ignore_file: str | None = option(
        "YAML file of accepted vulnerabilities, each with id, reason and expires.", example="accepted.yaml"
    )
    ignore_unfixed: bool = option("Let vulnerabilities pass that have no fix yet.", default=False)
    maximum_database_age: int = option("Days after which Trivy's database is too old to prove anything.", default=7)
    trivy: str | None = option("Trivy's program, if it is not on PATH.")
    trivy_cache: str | None = option("Trivy's cache folder.")
    scan_offline: bool = option("Use Trivy's database as it is in its cache and fetch nothing.", default=False)
    startup_seconds: float = option("How long the gateway may take to become ready.", default=120.0)
    build_network: Network = option("Network of the build's commands.", default=Network.DEFAULT)
    extra_ca: str | None = option("Certificates that the build trusts as well; they do not get into the image.")
    allow_code: bool = option(
        "Allow a model that runs code of its own when it is loaded; the report says what it is.", default=False
    )
    tracking_uri: str | None = option(
        "MLflow's server (default: MLFLOW_TRACKING_URI); where MLFLOW_REGISTRY_URI is set, it names the registry."
    )


@dataclass(kw_only=True)
class _Run:
    """What is known so far; the report is made of it at any moment."""

    options: Options
    candidate: ModelIdentity
    plan: Sequence[str]
    checks: list[Check] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    inputs: list[InputDigest] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether every check so far has passed, and there was one."""
        return bool(self.checks) and all(check.status is Status.PASSED for check in self.checks)

    def report(self, summary: str) -> Report:
        """Return the report of what is known."""
        return Report(
            stage=STAGE,
            checks=tuple(self.checks),
            summary=summary,
            details=dict(self.details),
            outputs={"image": "", "digest": "", **self.outputs},
            inputs=tuple(self.inputs),
            candidate=self.candidate,
            plan=self.plan,
        )


def run(options: Options, context: Context) -> Report:
    """Render, build, simulate, scan and push, in that order.

    Raises:
        OptionsError: options that contradict each other or do not follow their grammar.
        UnavailableError: model, engine, Trivy, its database or the registry of images cannot be reached.
    """
    from cd4ml.image import engine as engines
    from cd4ml.image import scan
    from cd4ml.registry import fetch

    reference, ignores = _validated(options)
    engine = engines.detect(options.engine, context.environ)
    trivy = scan.find_trivy(options.trivy, context.environ)
    with tempfile.TemporaryDirectory(prefix="cd4ml-image-") as name:
        scratch = Path(name)
        context.progress(f"fetching the model {options.model}")
        model, candidate = fetch(
            options.model, scratch / "fetched", tracking_uri=options.tracking_uri, environ=context.environ
        )
        reference = _tagged(reference, candidate)
        state = _Run(options=options, candidate=candidate, plan=_plan(options, reference, engine.name))
        context.save(_unfinished(state))
        if not _may_load(state, model):
            return state.report(f"{state.checks[-1].message} Nothing was built.")
        image = _build(state, reference, model, scratch, engine, context)
        if image is None:
            return state.report("The image could not be built; nothing was pushed.")
        with beside(lambda: _scan(options, reference, scratch, engine, trivy, context)) as scanned:
            _simulate(state, image, model, engine, context)
            _judge(state, image, scanned.result(), ignores)
        return _push(state, reference, image, engine, context)


def _validated(options: Options) -> tuple[Reference, Sequence[Ignore]]:
    """Check the options before anything is done, and report all that is wrong at once."""
    from cd4ml.image import dockerfile, ignores, reference, scan

    problems: list[str] = []
    if options.simulate and not (options.test_data and options.predictions):
        problems.append(
            "test-data and predictions are required: the image must predict what was scored (or say simulate: false)"
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
        problems.append("image: a name to push to has no digest")
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
    from cd4ml.image import scan

    steps = [f"render a Dockerfile on {options.base_image}", f"build {reference} with {engine}"]
    steps.append("start it and compare its predictions" if options.simulate else "start it")
    steps.append(f"scan it with Trivy; {', '.join(scan.severities(options.severity))} block")
    steps.append(f"push {reference} if every check passed" if options.push else "push nothing (push is false)")
    return steps


def _unfinished(state: _Run) -> Report:
    """Return the plan as a report that lets nothing through."""
    from dataclasses import replace

    check = Check(id="unfinished", status=Status.ERROR, reason="unfinished", message="The run did not finish.")
    return replace(state.report("The run did not finish."), checks=(*state.checks, check))


def _may_load(state: _Run, model: Path) -> bool:
    """Note what would run when the model is loaded, and return whether it may be."""
    from cd4ml.checks.model_code import of_code
    from cd4ml.model_files import code_of

    found = code_of(model)
    state.checks.append(of_code(found, allowed=state.options.allow_code))
    if found:
        state.details["code"] = found
    return state.good


def _build(
    state: _Run, reference: Reference, model: Path, scratch: Path, engine: Engine, context: Context
) -> Image | None:
    """Render the Dockerfile and build; None if the build failed, which is then a check."""
    from cd4ml.image import base as bases
    from cd4ml.image import dockerfile
    from cd4ml.image.facts import Build, BuildFailed
    from cd4ml.image.reference import parse
    from cd4ml.scoring import environment

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


def _built(state: _Run, reference: Reference, engine: Engine) -> Image:
    """Note what was built."""
    image = engine.image(str(reference))
    if image is None:
        raise UnavailableError(f"{engine.name} built {reference}, and does not have it.")
    labelled = image.labels.get(MODEL_LABEL) == state.candidate.sha256
    state.checks.append(
        Check(id="image-builds", status=Status.PASSED, message=f"{reference} is built: {image.id}.", value=image.id)
        if labelled
        else Check(
            id="image-builds",
            status=Status.FAILED,
            reason="other-label",
            message=f"The image's label {MODEL_LABEL} is not the model's digest.",
            advice="The engine did not set the label; build it with another one.",
        )
    )
    state.details |= {"image_id": image.id, "size": image.size, "user": image.user, "labels": dict(image.labels)}
    return image


def _python(base: str, said: str, model: Path) -> str:
    """Return the base's Python version; it must be the one that the model was saved with."""
    from cd4ml.scoring import environment

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


def _labels(state: _Run, base: Base) -> dict[str, str]:
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


def _simulate(state: _Run, image: Image, model: Path, engine: Engine, context: Context) -> None:
    """Start the image, look at it and compare its predictions."""
    from cd4ml.checks import image as checks
    from cd4ml.image import simulate
    from cd4ml.scoring import environment

    options = state.options
    context.progress("starting the image" + (" and comparing its predictions" if options.simulate else ""))
    scored = _scored(state, context) if options.simulate else None
    found = simulate.simulate(engine, image.id, scored, seconds=options.startup_seconds)
    state.checks += checks.of_look(
        found.look,
        model_sha256=state.candidate.sha256,
        python=environment.python_version(model),
        user=image.user,
        read_only=engine.name != "buildah",
    )
    if options.simulate:
        state.checks += checks.of_answers(found.answers, minimum_rows=_MINIMUM_ROWS)
    state.details["simulation"] = _simulation_details(found)


def _simulation_details(found: Simulation) -> dict[str, Any]:
    """Return the simulation for the report."""
    answers = found.answers
    return {
        "warm_up": found.look.warm_up,
        "uid": found.look.uid,
        "read_only_root": found.look.read_only_root,
        "python": found.look.python,
        "columns": list(found.look.columns),
        "rows": answers.compared if answers else 0,
        "test_rows": answers.of if answers else 0,
        "scores_compared": answers.scores_compared if answers else False,
        "differences": [asdict(item) for item in answers.differences[:20]] if answers else [],
    }


def _scored(state: _Run, context: Context) -> Any:
    """Return a function that pairs test rows with their predictions; the tables must be about this model."""
    from cd4ml.data.places import place
    from cd4ml.data.predictions import read_predictions
    from cd4ml.data.tables import read_table
    from cd4ml.evidence.scored import refuse_changed
    from cd4ml.image import simulate

    assert state.options.test_data and state.options.predictions
    test, table = place(state.options.test_data), state.options.predictions
    predictions = read_predictions(table, reading=state.options.reading)
    if predictions.candidate is not None and predictions.candidate.sha256 != state.candidate.sha256:
        raise OptionsError(
            f"{table}: the predictions are of the model {predictions.candidate.sha256[:12]}, "
            f"not of {state.candidate.sha256[:12]}",
            advice="Run score-model for this candidate first.",
        )
    refuse_changed(predictions, context.reports)
    frame = read_table(test.path, reading=state.options.reading)
    state.inputs += [test.digest("test-data", len(frame)), predictions.digest]
    return lambda look: simulate.scored_rows(frame, predictions.frame, look.columns, look.optional)


def _scan(options: Options, reference: Reference, scratch: Path, engine: Engine, trivy: str, context: Context) -> Scan:
    """Scan the image as it would be pushed."""
    from cd4ml.image import scan

    context.progress("scanning the image with Trivy")
    archive = scratch / "image.tar"
    engine.archive(str(reference), archive)
    cache = Path(options.trivy_cache) if options.trivy_cache else None
    found = scan.scan(archive, scratch, trivy=trivy, cache=cache, offline=options.scan_offline, environ=context.environ)
    archive.unlink()
    return found


def _judge(state: _Run, image: Image, found: Scan, ignores: Sequence[Ignore]) -> None:
    """Decide on the scan."""
    from cd4ml.checks import image as checks
    from cd4ml.image import scan

    state.checks += checks.of_scan(
        found,
        severities=scan.severities(state.options.severity),
        ignores=ignores,
        ignore_unfixed=state.options.ignore_unfixed,
        today=datetime.datetime.now(datetime.UTC).date(),
        maximum_age_days=state.options.maximum_database_age,
        image_id=image.id,
    )
    state.details["scan"] = _scan_details(found, ignores)


def _scan_details(found: Scan, ignores: Sequence[Ignore]) -> Mapping[str, Any]:
    """Return the scan for the report."""
    counts: dict[str, int] = {}
    for finding in found.findings:
        counts[finding.severity] = counts.get(finding.severity, 0) + 1
    return {
        "trivy": found.trivy_version,
        "database_updated_at": found.database_updated_at.isoformat(),
        "distribution": found.distribution,
        "end_of_life": found.end_of_life,
        "packages": len(found.packages),
        "by_severity": counts,
        "findings": [asdict(finding) for finding in found.findings[:100]],
        "ignores": [{**asdict(entry), "expires": entry.expires.isoformat()} for entry in ignores],
    }


def _push(state: _Run, reference: Reference, image: Image, engine: Engine, context: Context) -> Report:
    """Push if everything passed, and say clearly if not."""
    from cd4ml.image.push import push

    if not state.good:
        return state.report(f"{reference} is blocked; nothing was pushed.")
    if not state.options.push:
        return state.report(f"{reference} is built and every check passed; nothing was pushed (push is false).")
    context.save(_unfinished(state))
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
