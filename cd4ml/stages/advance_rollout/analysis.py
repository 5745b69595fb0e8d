"""What the report of analyze-rollout says, as far as a rollout rests on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cd4ml.checks.delivery.steps import signed_report_check
from cd4ml.errors import OptionsError
from cd4ml.evidence.folder import signed_claim
from cd4ml.evidence.proof import Proof, Refused
from cd4ml.reading import missing_file
from cd4ml.report import Check, Published, Status
from cd4ml.report.reading import read_with_digest
from cd4ml.stages import ANALYSIS, about

_VERDICTS: Final = (Status.PASSED, Status.FAILED, Status.INCONCLUSIVE)


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A verdict on a canary.

    Attributes:
        digest: `sha256:` and the digest of the report.
        made: when the analysis began, in seconds since 1970.
        first: since when its data count, in seconds since 1970; None if it does not say.
        model: digest of the model that it judged, or to which it was told to restrict itself; None if it does not say.
        summary: what it found, for people, in one line.
        signed: whether it is signed as it must be; where it is not, it decides nothing.
    """

    status: Status
    digest: str
    made: float
    first: float | None
    model: str | None
    summary: str
    signed: Check


def read_analysis(path: Path, proof: Proof | None = None) -> Analysis:
    """Read the report strictly; one that reached no verdict decides nothing.

    Args:
        proof: what must be signed beside it; None takes it as it lies there.

    Raises:
        OptionsError: it is not a report of analyze-rollout, has no verdict, or does not say when it was made.
        UnavailableError: there is none, or it cannot be read.
    """
    if path.is_symlink():  # no stage writes one: it would be somebody else's, or an earlier run's
        raise OptionsError(f"{path} is a link", advice="Pass on the report itself.")
    try:
        published, digest = read_with_digest(path, ANALYSIS)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    report = published.report
    if report.status not in _VERDICTS:
        raise OptionsError(
            f"{path} says {report.status}: whether the canary may go on is unknown. {report.summary}".strip()
        )
    return Analysis(
        status=report.status,
        digest=f"sha256:{digest}",
        made=_made(published, path),
        first=_first(published),
        model=_model(published),
        summary=" ".join(report.summary.split())[:400],
        signed=_signed(path, published, digest, proof),
    )


def _signed(path: Path, published: Published, digest: str, proof: Proof | None) -> Check:
    """Check that what was read is signed as it must be."""
    if proof is None:
        return signed_report_check(None, None)
    said = signed_claim(path, published, digest, about(ANALYSIS), proof)
    problem = (said.reason, str(said)) if isinstance(said, Refused) else None
    return signed_report_check(proof.verifier.identity, problem)


def _model(published: Published) -> str | None:
    """Return the digest of the model that was judged: events of others than the stated one are left out there."""
    candidate, stated = published.report.candidate, published.options.get("canary-model")
    if candidate and candidate.sha256:
        return candidate.sha256
    return stated.removeprefix("sha256:") if isinstance(stated, str) and stated else None


def _first(published: Published) -> float | None:
    """Return since when data count: the start of the window that was asked for, else the first event."""
    window = published.report.details.get("window")
    said = (window.get("since") or window.get("first")) if isinstance(window, Mapping) else None
    first = _time(said)
    return first.timestamp() if first else None


def _time(said: object) -> datetime | None:
    """Return a time with its zone, None if it is no such thing."""
    try:
        found = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _made(published: Published, path: Path) -> float:
    """Return when the analysis began."""
    made = _time(published.run.get("started_at"))
    if made is None:
        raise OptionsError(f"{path} does not say when it was made (run.started_at)")
    return made.timestamp()
