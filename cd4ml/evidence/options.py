"""What evidence must prove before it counts: one declaration, which every stage that verifies it takes.

The words are those of cosign, where it has them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.evidence.proof import Proof, Verifier
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, Options, option
from cd4ml.reading import missing_file, text_file
from cd4ml.wording import installs

if TYPE_CHECKING:
    from cd4ml.evidence.keys import PublicKey

GITHUB: Final = "https://token.actions.githubusercontent.com"
_MOST: Final = 100_000
_OLDEST: Final = 36_500.0  # days, which is a hundred years


class Evidence(StrEnum):
    """What evidence must prove."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    IDENTITY = "identity"


@dataclass(frozen=True, kw_only=True)
class EvidenceOptions(Options):
    """Options of every stage that verifies evidence."""

    evidence: Evidence | None = option(
        "What a report must prove to count: `signed`, that the key of public-key signed it; `identity`, that the "
        "workflow of certificate-identity did; `unsigned`, nothing. By default what one of these two demands, else "
        "unsigned.",
        last=True,
        group=Group.DECISION,
    )
    public_key: str | None = vocabulary.PUBLIC_KEY.here(last=True)
    certificate_identity: str | None = option(
        "The workflow that must have signed, with its ref, as its certificate says.",
        example="https://github.com/OWNER/cd4ml/.github/workflows/pipeline.yml@refs/tags/v1",
        last=True,
        group=Group.DECISION,
    )
    certificate_github_workflow_repository: str | None = option(
        "The repository whose run must have signed: a reusable workflow runs in everybody's.",
        example="OWNER/credit",
        last=True,
        group=Group.DECISION,
    )
    certificate_oidc_issuer: str = option(
        "Who must have vouched for the workflow.", default=GITHUB, last=True, group=Group.DECISION
    )
    trusted_root: str | None = option(
        "Sigstore's trusted root (JSON), for your own services or without a network; by default that of its public "
        "ones.",
        last=True,
        group=Group.DECISION,
    )
    maximum_evidence_age: float | None = option(
        "Age in days from which signed evidence no longer counts.", example="7", last=True, group=Group.DECISION
    )


def demanded(options: EvidenceOptions) -> Evidence:
    """Return what evidence must prove.

    Raises:
        OptionsError: the options contradict each other, or lack what verifies: all that is wrong.
    """
    found = options.evidence or (
        Evidence.SIGNED
        if options.public_key
        else Evidence.IDENTITY if options.certificate_identity else Evidence.UNSIGNED
    )
    if problems := [*_superfluous(options, found), *_lacking(options, found)]:
        raise OptionsError(problems)
    return found


def find_proof(options: EvidenceOptions) -> Proof | None:
    """Return what proves evidence, None if nothing need.

    Raises:
        OptionsError: the options contradict each other, or key or trusted root is none.
        UnavailableError: a file cannot be read, Sigstore's trusted root cannot be had, or a library is missing.
    """
    demand = demanded(options)
    if demand is Evidence.UNSIGNED:
        return None
    with _libraries():
        verifier = _of_key(options.public_key or "") if demand is Evidence.SIGNED else _of_identity(options)
    age = options.maximum_evidence_age
    return Proof(
        verifier=verifier,
        maximum_age=None if age is None else datetime.timedelta(days=age),
        now=datetime.datetime.now(datetime.UTC),
    )


def _superfluous(options: EvidenceOptions, demand: Evidence) -> list[str]:
    """Return which options would decide nothing: whoever sets them believes otherwise."""
    of = {
        Evidence.SIGNED: {"public-key": options.public_key},
        Evidence.IDENTITY: {
            "certificate-identity": options.certificate_identity,
            "certificate-github-workflow-repository": options.certificate_github_workflow_repository,
            "trusted-root": options.trusted_root,
        },
    }
    set_ = [name for kind, named in of.items() if kind is not demand for name, value in named.items() if value]
    if demand is Evidence.UNSIGNED and options.maximum_evidence_age is not None:
        set_.append("maximum-evidence-age")
    return [f"{name} decides nothing where evidence is {demand}" for name in set_]


def _lacking(options: EvidenceOptions, demand: Evidence) -> list[str]:
    """Return what is missing to verify."""
    problems = []
    if demand is Evidence.SIGNED and not options.public_key:
        problems.append("evidence: signed needs public-key")
    if demand is Evidence.IDENTITY and not options.certificate_identity:
        problems.append("evidence: identity needs certificate-identity")
    github = options.certificate_oidc_issuer == GITHUB
    if demand is Evidence.IDENTITY and github and not options.certificate_github_workflow_repository:
        problems.append(
            "evidence: identity needs certificate-github-workflow-repository: any repository may call a workflow"
        )
    if options.maximum_evidence_age is not None and not 0 < options.maximum_evidence_age <= _OLDEST:
        problems.append(f"maximum-evidence-age must be greater than 0 and at most {_OLDEST:g} days")
    return problems


def find_public_key(path: str) -> PublicKey:
    """Return the key in the file that public-key names.

    Raises:
        OptionsError: it is none.
        UnavailableError: it is not there or cannot be read, or the library that verifies is not installed.
    """
    with _libraries():
        from cd4ml.evidence.keys import read_public_key  # cryptography, which only some environments have
    try:
        return read_public_key(text_file(Path(path), most=_MOST).encode(), name=f"public-key {path}")
    except FileNotFoundError as error:
        missing = missing_file(Path(path))
        raise UnavailableError(f"public-key {missing.message}", advice=missing.advice) from error


@contextmanager
def _libraries() -> Iterator[None]:
    """Say in one sentence that a library is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"The library {error.name}, which verifies, is not installed beside cd4ml."
        raise UnavailableError(message, advice=installs("evidence")) from error


def _of_key(path: str) -> Verifier:
    """Return the verifier of a key's signatures."""
    key = find_public_key(path)
    from cd4ml.evidence.key_verifier import KeyVerifier  # see find_public_key

    return KeyVerifier(key=key)


def _of_identity(options: EvidenceOptions) -> Verifier:
    """Return the verifier of a workflow's signatures."""
    from cd4ml.evidence.identity import identity_verifier  # it imports Sigstore's client, which takes a second

    return identity_verifier(
        options.certificate_identity or "",
        issuer=options.certificate_oidc_issuer,
        repository=options.certificate_github_workflow_repository,
        trusted_root=options.trusted_root,
    )
