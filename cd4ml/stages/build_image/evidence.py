"""What proves where the pushed image comes from: statements about its digest, signed and attached to it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.image.evidence import attached_check, unattached_check
from cd4ml.digests import bytes_sha256, manifest
from cd4ml.errors import Cd4mlError
from cd4ml.evidence.about import About
from cd4ml.evidence.bundles import BUNDLE_TYPE, bundle_path, is_bundle
from cd4ml.evidence.model_signature import model_statement
from cd4ml.evidence.provenance import provenance, source
from cd4ml.evidence.result import PREDICATE as RESULT
from cd4ml.evidence.result import result_statement
from cd4ml.evidence.signer import Signer
from cd4ml.evidence.statement import Resource, Statement
from cd4ml.image.reference import parse, repository_of
from cd4ml.image.referrers import Artifact, attach
from cd4ml.image.registry_api.repository import Repository
from cd4ml.inputs.values import as_values
from cd4ml.report import Check, InputDigest, Published, Report, Status
from cd4ml.stages import PIPELINE
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.build import Built
from cd4ml.stages.build_image.documents import written
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate
from cd4ml.stages.build_image.push import Pushed
from cd4ml.stages.build_image.report import STAGE, Part
from cd4ml.stages.build_image.sbom import CYCLONEDX, SPDX, Materials
from cd4ml.wording import redacted

# As cosign calls them, so that `cosign verify` and `cosign verify-attestation --type` find them.
_SIGNATURE: Final = "https://sigstore.dev/cosign/sign/v1"
_CYCLONEDX: Final = "https://cyclonedx.org/bom"
_SPDX: Final = "https://spdx.dev/Document"
_NAMES: Final = ("signature", "provenance", "test-result", "sbom.cyclonedx", "sbom.spdx", "model")
# They are written as they are where nobody signs; the bills of materials are there anyway.
_UNSIGNED: Final = ("provenance", "test-result")
_BUNDLE: Final = ".sigstore.json"
_STATEMENT: Final = ".intoto.json"
# Every document that a run may write.
DOCUMENTS: Final = (
    CYCLONEDX,
    SPDX,
    *(f"{name}{_STATEMENT}" for name in _UNSIGNED),
    *(f"{name}{_BUNDLE}" for name in _NAMES),
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was stated about the image, and where it is.

    Attributes:
        signer: who signed, None if nobody did.
        files: digests of the documents by their paths in the folder of reports.
        attached: digests of their manifests in the registry, by name.
    """

    signer: str | None
    checks: Sequence[Check]
    files: Mapping[str, str]
    attached: Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether nothing went wrong."""
        return all(check.status is Status.PASSED for check in self.checks)

    @property
    def part(self) -> Part:
        """See Found."""
        details = {"signer": self.signer, "files": dict(self.files), "attached": dict(self.attached)}
        return Part(checks=self.checks, details={"evidence": details})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the statements rest on.

    Attributes:
        onnx: digest of the converted model that the image serves, None where it serves the model itself.
    """

    candidate: Candidate
    base: BaseImage
    built: Built
    materials: Materials
    pushed: Pushed
    checks: Sequence[Check]
    tables: Sequence[InputDigest]
    onnx: str | None = None


def give_evidence(inputs: Inputs, facts: Facts) -> Evidence:
    """State what is known of the pushed image; where somebody signs, sign it and attach it in the registry."""
    signer = inputs.signer
    try:
        statements = dict(zip(_NAMES, _statements(inputs, facts), strict=True))
        if signer is not None:
            return _signed(inputs, facts.pushed, statements, signer)
        files = written(inputs, {f"{name}{_STATEMENT}": statements[name].payload for name in _UNSIGNED})
    except Cd4mlError as error:
        # The image is in its registry by now: that is said, and that it is not proven.
        check = unattached_check(facts.pushed.image, error)
        return Evidence(signer=signer.identity if signer else None, checks=(check,), files={}, attached={})
    return Evidence(signer=None, checks=(), files=files, attached={})


def _signed(inputs: Inputs, pushed: Pushed, statements: Mapping[str, Statement], signer: Signer) -> Evidence:
    """Sign the statements, keep the bundles and attach them."""
    inputs.context.progress(f"Signing {pushed.image}")
    bundles = {name: signer.sign(statement) for name, statement in statements.items()}
    files = written(inputs, {f"{name}{_BUNDLE}": bundle for name, bundle in bundles.items()})
    artifacts = [
        Artifact(media_type=BUNDLE_TYPE, content=bundle, annotations=_annotated(statements[name].predicate_type))
        for name, bundle in bundles.items()
    ]
    earlier = _earlier(inputs.context.reports)
    artifacts += earlier.values()
    repository = Repository(parse(pushed.image, "image"), inputs.context.environ)
    digests = attach(repository, pushed.digest, artifacts)
    return Evidence(
        signer=signer.identity,
        checks=(attached_check(pushed.image, len(bundles), signer.identity, earlier),),
        files=files,
        attached=dict(zip((*bundles, *earlier), digests, strict=True)),
    )


def _earlier(reports: Path) -> dict[str, Artifact]:
    """Return what the stages before this one have signed, by stage: the image alone then carries their verdicts.

    Whose signatures these are, and what they are about, is for whoever verifies them to ask.
    """
    found = {}
    for stage in PIPELINE[: PIPELINE.index(STAGE)]:
        path = bundle_path(reports / f"{stage}.json")
        if path.is_file() and not path.is_symlink() and is_bundle(path):
            annotations = _annotated(RESULT)
            found[stage] = Artifact(media_type=BUNDLE_TYPE, content=path.read_bytes(), annotations=annotations)
    return found


def _annotated(predicate_type: str) -> dict[str, str]:
    """Return what cosign writes beside a bundle, without the time: the same bundle is then attached once."""
    return {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate_type,
    }


def _statements(inputs: Inputs, facts: Facts) -> Iterator[Statement]:
    """Yield the statements, in the order of their names."""
    name = repository_of(parse(facts.pushed.image, "image").name)
    image = Resource(name=name, digest={"sha256": facts.pushed.digest.removeprefix("sha256:")})
    sha256 = facts.candidate.identity.sha256
    model = Resource(name="model", uri=redacted(facts.candidate.identity.uri), digest={"sha256": sha256})
    found = facts.materials.sbom
    yield Statement(subjects=(image,), predicate_type=_SIGNATURE, predicate={})
    yield _provenance(inputs, facts, image, model)
    yield _result(inputs, facts)
    yield Statement(subjects=(image,), predicate_type=_CYCLONEDX, predicate=json.loads(found.cyclonedx))
    yield Statement(subjects=(image,), predicate_type=_SPDX, predicate=json.loads(found.spdx))
    yield model_statement(facts.candidate.name, manifest(facts.candidate.folder))


def _result(inputs: Inputs, facts: Facts) -> Statement:
    """Return what was decided so far: it is about the pushed image, and the report itself is not written yet."""
    basis = inputs.context.basis
    report = Report(
        stage=STAGE,
        checks=facts.checks,
        inputs=facts.tables,
        candidate=facts.candidate.identity,
        outputs={"image": facts.pushed.image},
    )
    published = Published(report=report, source=basis.source)
    now = datetime.datetime.now(datetime.UTC)
    return result_statement(published, of=About.MODEL, at=now, config=basis.config, repository=basis.repository)


def _provenance(inputs: Inputs, facts: Facts, image: Resource, model: Resource) -> Statement:
    """Return from what the image was built, and how."""
    environ, basis = inputs.context.environ, inputs.context.basis
    # Every option, since each may weaken a check; one that says where a secret is kept is shown only if it does.
    parameters: dict[str, Any] = {**as_values(inputs.options), "engine": facts.built.engine}
    base = facts.base.resolved
    lock = Resource(name="requirements.txt", digest={"sha256": bytes_sha256(facts.built.lock.encode())})
    resolved = [model, lock]
    if base.digest:
        uri = f"docker://{repository_of(base.reference.name)}"
        resolved.append(Resource(name="base", uri=uri, digest={"sha256": base.digest.removeprefix("sha256:")}))
    commit = source(basis.repository, basis.source.git_sha, environ, modified=bool(basis.source.modified))
    return provenance(
        image,
        parameters=parameters,
        dependencies=[*resolved, *([commit] if commit else [])],
        byproducts=[Resource(name="onnx", digest={"sha256": facts.onnx})] if facts.onnx else [],
        environ=environ,
    )
