"""What makes a report evidence: a signature that counts, over a statement that is about exactly this report."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final, Protocol

from cd4ml.errors import OptionsError
from cd4ml.evidence.about import About
from cd4ml.evidence.result import Claim, claim
from cd4ml.evidence.statement import Statement
from cd4ml.report import Published

# Clocks of two machines may differ by this much.
_SKEW: Final = datetime.timedelta(minutes=5)


class Refused(str):
    """Why a report does not count, for people; `reason` says it to programs."""

    reason: str

    def __new__(cls, reason: str, message: str) -> Refused:
        """Make it."""
        made = super().__new__(cls, message)
        made.reason = reason
        return made


class UntrustedError(OptionsError):
    """A bundle is not what it should be; `refused` says why."""

    def __init__(self, reason: str, message: str) -> None:
        """Keep the reason."""
        super().__init__(message)
        self.refused = Refused(reason, message)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A statement whose signature counts.

    Attributes:
        commit: the commit whose run signed; None where a key signed, which says none.
    """

    statement: Statement
    commit: str | None = None


class Verifier(Protocol):
    """Whose signatures count."""

    @property
    def identity(self) -> str:
        """Whose, for people."""

    def verified(self, bundle: bytes) -> Signed:
        """Return the statement in a bundle.

        Raises:
            UntrustedError: no signature in it counts, or it holds no statement.
        """


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What evidence must prove.

    Attributes:
        maximum_age: of a statement.
        now: when it is looked at.
    """

    verifier: Verifier
    maximum_age: datetime.timedelta | None
    now: datetime.datetime

    def claim(self, bundle: bytes) -> Claim | Refused:
        """Return what a stage's bundle says, or why it does not count."""
        try:
            signed = self.verifier.verified(bundle)
        except UntrustedError as error:
            return error.refused
        try:
            said = claim(signed.statement)
        except OptionsError as error:
            return Refused("wrong-predicate", error.message)
        commit = said.published.source.git_sha
        if signed.commit and signed.commit != commit:
            told = f"a run on commit {signed.commit[:12]} signed it, and it is about {(commit or 'no commit')[:12]}"
            return Refused("wrong-identity", told)
        return self._aged(said)

    def _aged(self, said: Claim) -> Claim | Refused:
        """Refuse what is too old, or from the future."""
        age = self.now - said.at
        if age < -_SKEW:
            return Refused(
                "in-the-future", f"it says that it was signed at {said.at:%Y-%m-%dT%H:%M:%SZ}, which is yet to come"
            )
        if self.maximum_age is not None and age > self.maximum_age:
            days = self.maximum_age / datetime.timedelta(days=1)
            return Refused("stale", f"it was signed at {said.at:%Y-%m-%dT%H:%M:%SZ}, more than {days:g} days ago")
        return said


def mismatch(said: Claim, published: Published, sha256: str, of: About) -> Refused | None:
    """Return why a statement is not the one about a report, None if it is.

    Args:
        sha256: digest of the report's file.
        of: what the report is evidence of.
    """
    report, stated = published.report, said.published.report
    if stated.stage != report.stage:
        return Refused("other-stage", f"the signed statement beside it is about a report of {stated.stage}")
    if said.report != sha256:
        return Refused("changed-report", "the file is not the one that was signed: it was changed since, or exchanged")
    model, commit = _digest(published), published.source.git_sha
    same = (_digest(said.published), said.published.source.git_sha, stated.status) == (model, commit, report.status)
    if not same:
        return Refused("contradicting", "the signed statement names another model, commit or verdict than the report")
    about = model if of is About.MODEL else commit
    if about and about not in said.subjects:
        return Refused("other-subject", f"the signed statement is not about this {of}")
    return None


def _digest(published: Published) -> str | None:
    """Return the candidate's digest."""
    return published.report.candidate.sha256 or None if published.report.candidate else None
