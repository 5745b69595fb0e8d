"""The model to serve: fetched, and asked whether it would run code of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cd4ml.checks.image.model_code import model_code_check
from cd4ml.image.reference import Reference
from cd4ml.model_files import code_of
from cd4ml.registry import fetch
from cd4ml.report import Check, ModelIdentity
from cd4ml.scoring import environment
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.report import Part


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The candidate, and the folder that its files are in."""

    identity: ModelIdentity
    folder: Path

    @property
    def name(self) -> str:
        """What the gateway calls it."""
        return self.identity.name or Path(self.identity.uri).name or "model"

    @property
    def python(self) -> str:
        """The minor version of Python that it was saved with, e.g. `3.11`."""
        return environment.python_version(self.folder)

    def tagged(self, image: Reference) -> Reference:
        """Return an image's name with a tag; by default one that says which model is inside."""
        return image if image.tag else replace(image, tag=f"model-{self.identity.sha256[:12]}")


@dataclass(frozen=True, kw_only=True)
class Code:
    """What would run when the model is loaded, in words."""

    findings: Sequence[str]
    check: Check

    @property
    def part(self) -> Part:
        """See Found."""
        return Part(checks=(self.check,), details={"code": list(self.findings)} if self.findings else {})


def fetch_model(inputs: Inputs) -> Candidate:
    """Fetch the model from where the option says that it is."""
    options, context = inputs.options, inputs.context
    context.progress(f"Fetching the model {options.model}")
    folder, identity = fetch(
        options.model, inputs.scratch / "fetched", tracking_uri=options.tracking_uri, environ=context.environ
    )
    return Candidate(identity=identity, folder=folder)


def look_for_code(inputs: Inputs, candidate: Candidate) -> Code:
    """Find out what would run when the model is loaded, without loading it."""
    findings = code_of(candidate.folder)
    return Code(findings=findings, check=model_code_check(findings, allowed=inputs.options.allow_code))
