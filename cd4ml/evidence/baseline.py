"""What a model was judged against, and whether production still is that.

An alias moves. If it names another version by now, nobody has compared the candidate with what it would replace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.evidence.folder import Reports
from cd4ml.evidence.reports import EVALUATION, SCORING
from cd4ml.evidence.verify import Subject
from cd4ml.registry import alias_version, named
from cd4ml.report import Check, Published, Status

# In this order: the report that judged, then the one of the stage that fetched production.
_SOURCES: Final = (EVALUATION, SCORING)
_REGISTERED: Final = "models:/"
_NONE: Final = "none"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An alias of a registered model, and what it named when the candidate was judged.

    Attributes:
        version: None for a first release: the alias named nothing.
        candidate: the candidate's own version, if it is registered under the same name.
    """

    name: str
    alias: str
    version: str | None
    candidate: str | None = None

    @property
    def uri(self) -> str:
        """The alias's address."""
        return f"{_REGISTERED}{self.name}@{self.alias}"

    @property
    def record(self) -> tuple[str, str, str]:
        """What the deploying commit says about it, for the promotion: address, version, and the candidate's version."""
        return self.uri, self.version or _NONE, self.candidate or ""


def reported(reports: Reports, about: Subject) -> Baseline | str:
    """Return what the reports say that a model was judged against, or why nothing of it can move.

    Raises:
        OptionsError: one of the reports is there and cannot be read.
    """
    why = "No report names a production model that the candidate was compared with"
    for stage in _SOURCES:
        published = reports.find(stage)
        if isinstance(published, str):
            raise OptionsError(
                f"what the candidate was compared with is unknown: {published}",
                advice=f"Run {stage} again, and pass its report on.",
            )
        candidate = published.report.candidate if published else None
        if published is None or about.model is None or candidate is None or candidate.sha256 != about.model:
            continue
        found = _baseline(published)
        if found is not None:
            return found
        if published.report.production:
            why = f"The candidate was compared with {published.report.production.uri}, which is not an alias"
    return why


def recorded(alias: str | None, version: str | None, candidate: str | None) -> Baseline | None:
    """Return the baseline that a deploying commit recorded, None if it recorded none."""
    name = _alias(alias)
    if name is None or not version:
        return None
    return Baseline(name=name[0], alias=name[1], version=None if version == _NONE else version, candidate=candidate)


def unmoved(
    baseline: Baseline | str,
    *,
    tracking_uri: str | None,
    environ: Mapping[str, str],
    promoted: str | None = None,
) -> Check:
    """Check that the alias names what it named when the candidate was judged.

    Args:
        promoted: the version that is being promoted: a run that was cut off may have moved the alias there already.

    Raises:
        UnavailableError: the registry does not answer.
    """
    if isinstance(baseline, str):
        return Check(id="production", status=Status.PASSED, message=f"{baseline}: it cannot have moved since.")
    uri = baseline.uri
    judged = f"version {baseline.version}" if baseline.version else "no version"
    if not named(tracking_uri, environ):
        return Check(
            id="production",
            status=Status.INCONCLUSIVE,
            reason="no-registry",
            message=f"{uri} named {judged} when the candidate was judged; which version it names now is unknown.",
            advice="Set tracking-uri or MLFLOW_TRACKING_URI to the registry.",
        )
    now = alias_version(baseline.name, baseline.alias, tracking_uri=tracking_uri, environ=environ)
    if now == baseline.version:
        message = f"{uri} names {judged}, as when the candidate was judged."
        return Check(id="production", status=Status.PASSED, message=message)
    if now is not None and now in (baseline.candidate, promoted):
        message = f"{uri} names version {now}, the candidate itself."
        return Check(id="production", status=Status.PASSED, message=message)
    return Check(
        id="production",
        status=Status.INCONCLUSIVE,
        reason="production-moved",
        message=f"{uri} named {judged} when the candidate was judged, and names {f'version {now}' if now else 'none'} "
        "now: the candidate was not compared with the model that it would replace.",
        advice="Run score-model and the stages after it again.",
        value=now or _NONE,
        baseline=baseline.version or _NONE,
    )


def _baseline(published: Published) -> Baseline | None:
    """Return the baseline of a report; of a first release, what its options name."""
    production, candidate = published.report.production, published.report.candidate
    if production is None:
        named, version = _alias(published.options.get("production")), None
    else:
        named = (production.name, production.alias) if production.name and production.alias else None
        version = production.version
    if named is None:
        return None
    name, alias = named
    own = candidate.version if candidate and candidate.name == name else None
    return Baseline(name=name, alias=alias, version=version or None, candidate=own or None)


def _alias(uri: object) -> tuple[str, str] | None:
    """Return name and alias of `models:/<name>@<alias>`."""
    name, separator, alias = str(uri or "").removeprefix(_REGISTERED).rpartition("@")
    return (name, alias) if separator and str(uri).startswith(_REGISTERED) else None
