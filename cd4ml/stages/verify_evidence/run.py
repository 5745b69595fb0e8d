"""Verify the evidence for a model: reports in a folder, or what is attached to its image; nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.evidence.attached import AttachedReports
from cd4ml.evidence.bundles import BUNDLE_TYPE
from cd4ml.evidence.options import Evidence, demanded, find_proof
from cd4ml.evidence.proof import Proof
from cd4ml.evidence.folder import FolderReports, Reports
from cd4ml.evidence.reports import BUILD
from cd4ml.evidence.verify import verify_all
from cd4ml.git import SHA
from cd4ml.image.reference import parse
from cd4ml.image.referrers import documents
from cd4ml.image.registry_api.repository import Repository
from cd4ml.report import Check, ModelIdentity, Report, Status
from cd4ml.stages import JUDGES, about, evidence, unknown_required
from cd4ml.stages.verify_evidence.options import Options

STAGE: Final = "verify-evidence"


def run(options: Options, context: Context) -> Report:
    """Verify.

    Raises:
        OptionsError: options contradict each other, or nothing is named that could be verified.
        UnavailableError: the registry of images, a key or Sigstore's trusted root cannot be reached.
    """
    check_options(options)
    proof = find_proof(options)
    reports, commit = _reports(options, context, proof)
    required = evidence(options.required_stages)
    checks, found = verify_all(reports, required, commit, judges=JUDGES, proof=proof)
    return Report(
        stage=STAGE,
        checks=checks,
        candidate=ModelIdentity(uri="", sha256=found.model) if found.model else None,
        summary=_summary(checks),
        details={
            "signed": {stage: {"at": said.at.isoformat()} for stage, said in sorted(reports.claims.items())},
            "signer": proof.verifier.identity if proof else None,
        },
        outputs={"image": options.image or found.image or "", "commit": commit or ""},
    )


def check_options(options: Options) -> None:
    """Refuse what cannot be verified.

    Raises:
        OptionsError: all that is wrong.
    """
    problems = unknown_required(options.required_stages)
    if (options.reports is None) is (options.image is None):
        problems.append("name either reports or image")
    if BUILD not in options.required_stages:
        problems.append(f"required-stages must include {BUILD}: its report says which model is in the image")
    if options.image and demanded(options) is Evidence.UNSIGNED:
        problems.append(
            "what is attached to an image counts only if it is signed: set public-key or certificate-identity"
        )
    if options.image and parse(options.image, "image").digest is None:
        problems.append("image: name it by digest, name@sha256:…")
    if options.commit is not None and not SHA.fullmatch(options.commit):
        problems.append(f"commit: give it in full, as 40 or 64 hexadecimal digits in small letters: {options.commit!r}")
    if problems:
        raise OptionsError(problems)
    demanded(options)


def _reports(options: Options, context: Context, proof: Proof | None) -> tuple[Reports, str | None]:
    """Return where the evidence is, and the commit that it must be about."""
    if options.image is None or proof is None:
        commit = options.commit or context.checkout.head()
        return FolderReports(folder=Path(options.reports or ""), of=about, proof=proof), commit
    context.progress(f"Fetching what is attached to {options.image}")
    reference = parse(options.image, "image")
    repository, digest = Repository(reference, context.environ), reference.digest or ""
    bundles = list(documents(repository, digest, BUNDLE_TYPE))
    found = AttachedReports.of(digest.removeprefix("sha256:"), bundles, proof, options.commit)
    return found, found.built_from


def _summary(checks: list[Check]) -> str:
    """Say in one sentence what came of it."""
    blocking = [check.message for check in checks if check.status is not Status.PASSED]
    if not blocking:
        return checks[-1].message
    return f"The evidence does not hold. {' '.join(blocking)}"
