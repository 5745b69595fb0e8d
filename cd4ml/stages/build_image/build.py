"""The image is built: locked requirements, a Dockerfile, its context, and what the builder made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.image.build import built_check, failed_build_check
from cd4ml.digests import bytes_sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image import dockerfile, labels
from cd4ml.image.builders.builder import Build, Image
from cd4ml.image.builders.failure import BuildFailed
from cd4ml.image.origin import origin
from cd4ml.image.reference import Reference
from cd4ml.inputs.runtime import Runtime
from cd4ml.report import Check
from cd4ml.scoring import environment
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.conversion import Road
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate, Code
from cd4ml.stages.build_image.ranges import FILE, Ranges
from cd4ml.stages.build_image.report import Part
from cd4ml.stages.build_image.requirements import gateway_requirements

_NATIVE: Final = ("pandas", "mlflow-skinny")


@dataclass(frozen=True, kw_only=True)
class Built:
    """What came of the build.

    Attributes:
        lock: the requirements that the image was built with.
        image: what was built, None if the build failed.
    """

    reference: Reference
    dockerfile: str
    engine: str
    check: Check
    lock: str = ""
    image: Image | None = None

    @property
    def part(self) -> Part:
        """See Found."""
        details: dict[str, Any] = {"dockerfile": self.dockerfile, "engine": self.engine, "image": str(self.reference)}
        if self.image is not None:
            image = self.image
            details |= {"image_id": image.id, "size": image.size, "user": image.user, "labels": dict(image.labels)}
            details["lock_sha256"] = bytes_sha256(self.lock.encode())
        return Part(checks=(self.check,), details=details)


def build(
    inputs: Inputs,
    candidate: Candidate,
    code: Code,
    base: BaseImage,
    road: Road,
    reference: Reference,
    ranges: Ranges | None = None,
) -> Built:
    """Build the image.

    Args:
        reference: the image's name, with a tag.
        ranges: what the image is to say of the features.

    Raises:
        UnavailableError: the builder could not reach what it needs, or does not have what it built.
    """
    builder, sha256 = inputs.builder, candidate.identity.sha256
    text = dockerfile.render(str(base.resolved.reference), inputs.options.system_packages)
    context = _context(inputs, candidate, code, base, road, text, ranges)
    plan = Build(
        context=context,
        image=reference,
        base=base.resolved.reference,
        labels=_labels(inputs, candidate, code, base),
        network=inputs.options.build_network,
        extra_ca=_existing(inputs.options.extra_ca, "extra-ca"),
    )
    inputs.context.progress(f"Building {reference} with {builder.name}")
    try:
        builder.build(plan)
    except BuildFailed as error:
        return Built(reference=reference, dockerfile=text, engine=builder.name, check=failed_build_check(error))
    image = builder.image(str(reference))
    if image is None:
        raise UnavailableError(f"{builder.name} built {reference} but does not list it.")
    check = built_check(image, reference, model_sha256=sha256)
    lock = (context / "requirements.txt").read_text(encoding="utf-8")
    return Built(reference=reference, dockerfile=text, engine=builder.name, check=check, lock=lock, image=image)


def _context(
    inputs: Inputs,
    candidate: Candidate,
    code: Code,
    base: BaseImage,
    road: Road,
    text: str,
    ranges: Ranges | None,
) -> Path:
    """Write the build's context, and return its folder."""
    inputs.context.progress("Locking the image's requirements")
    lock = _lock(inputs, candidate, base, road)
    folder = inputs.scratch / "context"
    folder.mkdir()
    fast = road.sha256 if road.runtime is Runtime.ONNX else None
    service = dockerfile.Service(
        name=candidate.name,
        version=candidate.identity.version,
        sha256=candidate.identity.sha256,
        positive_label=inputs.options.positive_label,
        allow_code=fast is None and bool(code.findings),
        runtime=str(road.runtime),
        onnx_sha256=fast,
    )
    dockerfile.write_context(
        folder,
        dockerfile=text,
        requirements=lock,
        model=road.folder,
        service=service,
        base=base.contents,
        more={} if ranges is None else {FILE: ranges.text},
    )
    return folder


def _lock(inputs: Inputs, candidate: Candidate, base: BaseImage, road: Road) -> str:
    """Return the locked requirements: the gateway's, with the ONNX Runtime of the proof or with the model's own."""
    python, context = base.contents.python, inputs.context
    if road.lock:
        return road.lock
    wanted = (*gateway_requirements(kafka_events=inputs.options.kafka_events), *_NATIVE)
    return environment.lock_requirements(candidate.folder, extra=wanted, python_version=python, context=context)


def _labels(inputs: Inputs, candidate: Candidate, code: Code, base: BaseImage) -> dict[str, str]:
    """Return the image's labels."""
    return labels.of_image(
        model=candidate.name,
        version=candidate.identity.version,
        sha256=candidate.identity.sha256,
        allow_code=bool(code.findings),
        base=base.resolved,
        origin=origin(inputs.context.environ, inputs.context.checkout, inputs.context.basis.source.git_sha),
    )


def _existing(path: str | None, name: str) -> Path | None:
    """Return the path of a file that must be there."""
    if path is None:
        return None
    # A comma would start another setting of the builder's --secret.
    if "," in path:
        raise OptionsError(f"{name}: the path must not hold a comma")
    try:
        found = Path(path).is_file()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a character that no name can
        raise UnavailableError(f"{name}: {path[:200]!r} cannot be read: {error}.") from error
    if not found:
        raise UnavailableError(f"{name}: {path}: no such file.")
    return Path(path).resolve()
