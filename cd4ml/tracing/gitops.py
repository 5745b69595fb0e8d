"""What the GitOps repository says: what the manifest gives an image now, and who deployed, promoted or took it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import Cd4mlError, OptionsError
from cd4ml.evidence.baseline import recorded
from cd4ml.gitops.address import manifest_path
from cd4ml.gitops.history import Commit
from cd4ml.gitops.manifest import Manifest
from cd4ml.gitops.people import Made
from cd4ml.gitops.repository import Clone, clone
from cd4ml.gitops.trailers import (
    BASELINE,
    CANARY_WEIGHT,
    COMMIT,
    IMAGE,
    MODEL,
    PREVIOUS_IMAGE,
    PREVIOUS_VERSION,
    PROMOTED,
    ROLLED_BACK,
    SOURCE,
    SOURCE_TIME,
    VERSION,
)
from cd4ml.report.trace import Event, Looked, Source, Topic
from cd4ml.tracing.records import Answer, Bundle, Record
from cd4ml.tracing.subject import Ids

NAME: Final = "gitops"
_KINDS: Final = {IMAGE: "deployed", PROMOTED: "promoted", ROLLED_BACK: "rolled-back"}
_SHOWN: Final = (
    *(IMAGE, CANARY_WEIGHT, SOURCE, SOURCE_TIME, MODEL, *BASELINE, PROMOTED, ROLLED_BACK),
    *(VERSION, PREVIOUS_VERSION, PREVIOUS_IMAGE),
)
_GONE: Final = "the branch no longer holds the commit; the ledger remembers it"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the GitOps repository is, and the manifest in it."""

    repository: str
    branch: str
    manifest: str
    part: str | None = None

    def __str__(self) -> str:
        return f"{self.repository} ({self.branch}): {self.manifest}"


def answer(place: Place, environ: Mapping[str, str]) -> Answer:
    """Return what the repository says."""
    try:
        path = manifest_path(place.manifest)
        with clone(place.repository, place.branch, environ) as repository:
            return _answer(place, path, repository)
    except Cd4mlError as error:
        source = Source(name=NAME, place=str(place), looked=Looked.UNREACHABLE, message=str(error))
        return Answer(source=source)


def _answer(place: Place, path: str, repository: Clone) -> Answer:
    """Return what an open repository says."""
    text, history = repository.read(path), repository.history(path)
    people = repository.made(map(_sha, history.commits))
    bundles = [_bundle(commit, people) for commit in history.commits]
    running, why = _running(text, place, bundles)
    notes = [why] if why else []
    if not history.complete:
        notes.append("the repository holds only the newest part of the branch's history")
    source = Source(name=NAME, place=str(place), looked=Looked.READ, message="; ".join(notes))
    return Answer(source=source, bundles=[*running, *bundles])


def _sha(commit: Commit) -> str:
    """Return the commit that is meant: the ledger remembers those that the branch has lost under their own names."""
    return commit.trailer(COMMIT) or commit.sha


def _running(text: str, place: Place, bundles: list[Bundle]) -> tuple[list[Bundle], str]:
    """Return what the manifest gives each image that it names, and why that is unknown where it is."""
    named = next((bundle.image.partition("@")[0] for bundle in bundles if bundle.image), None)
    try:
        try:
            manifest = Manifest(text, repository=named, part=place.part)
        except OptionsError:  # the file may have been moved to another registry since
            manifest = Manifest(text, part=place.part)
        state = manifest.state
        by = f"{place.manifest} on {place.branch}"
        found = []
        for digest in dict.fromkeys(filter(None, (state.stable, state.canary))):
            record = Record(
                by=by, ids=Ids(image=digest), values={(Topic.DELIVERY, "the manifest gives it"): manifest.share(digest)}
            )
            image = f"{manifest.repository}@{digest}"
            found.append(Bundle(ids=Ids(image=digest), told=by, image=image, records=[record]))
        return found, ""
    except OptionsError as error:
        return [], f"what the manifest gives images now is unknown: {error.message}"


def _bundle(commit: Commit, people: Mapping[str, Made]) -> Bundle:
    """Return what a commit of the suite says."""
    told = {name: value for name in _SHOWN if (value := commit.trailer(name))}
    kind, image = next(((word, told[name]) for name, word in _KINDS.items() if name in told), ("", None))
    sha = _sha(commit)
    by = f"GitOps commit {sha[:12]}"
    baseline = recorded(*(told.get(name) for name in BASELINE))
    ids = Ids(
        image=image.rpartition("@")[2] if image and "@" in image else None,
        model=told[MODEL].removeprefix("sha256:") if MODEL in told else None,
        version=f"{baseline.name}/{baseline.candidate}" if baseline and baseline.candidate else None,
        commit=told.get(SOURCE),
    )
    who = people.get(sha)
    event = Event(
        kind=kind or "changed",
        commit=sha,
        title=who.title if who else "",
        time=who.time if who else None,
        author=who.author if who else None,
        committer=who.committer if who else None,
        signature=who.signature if who else _GONE,
        trailers=told,
    )
    broken = [f"{by}: {who.signature}"] if who and who.broken else []
    return Bundle(ids=ids, told=by, image=image, records=[Record(by=by, ids=ids)], events=[event], problems=broken)
