"""The story: sources are asked one after the other, and what is about the subject is put together.

What a source says counts if its most exact id is the subject's. What one source adds (the image of a model, the commit
of an image) leads to more in the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.errors import Cd4mlError, OptionsError
from cd4ml.git import Checkout
from cd4ml.registry.described import listable, on_this_machine, registry_address
from cd4ml.report.trace import Event, Looked, Source, Topic, Trace, Verdict
from cd4ml.tracing import checkout, data, gitops, image, model_registry, reports
from cd4ml.tracing.records import Answer, Bundle, facts
from cd4ml.tracing.subject import Ids, Subject, subject
from cd4ml.wording import redacted

if TYPE_CHECKING:
    from cd4ml.evidence.keys import PublicKey

_OFFLINE: Final = "it is not on this machine: add --remote to ask it"
_MOST_NEAR: Final = 5
_REMOTE: Final = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where to look.

    Attributes:
        reports: what their folder holds, or why it cannot be read; None if nobody named one and there is none.
        online: whether sources on other machines are asked.
        key: the public key that must have signed the reports, the documents beside them and what is attached.
    """

    folder: str
    reports: tuple[Sequence[Verdict], Mapping[str, str]] | Cd4mlError | None
    gitops: gitops.Place | None
    layout: str | None
    tracking_uri: str | None
    online: bool
    checkout: Checkout
    environ: Mapping[str, str] = field(repr=False)
    key: PublicKey | None = None


def trace(asked: str, sources: Sources) -> Trace:
    """Tell the story of an image, a model or a commit.

    Raises:
        OptionsError: the subject is of no known form, or a short commit is ambiguous.
    """
    return _Story(subject(asked), sources).told()


class _Story:
    """What was found so far."""

    def __init__(self, wanted: Subject, sources: Sources) -> None:
        self._subject, self._sources = wanted, sources
        self._answers: list[Answer] = []
        self._taken: list[Bundle] = []
        self._ids = Ids()
        self._kind = ""

    def told(self) -> Trace:
        """Ask the sources, and put together what they say."""
        self._subject = self._named()
        with ThreadPoolExecutor(max_workers=2) as pool:  # git and files do not wait for each other
            early = [pool.submit(ask) for ask in (self._gitops, self._reports, self._layout)]
            self._answers = [one.result() for one in early]
        stored = self._model_registry()
        self._answers += [stored] if stored else []
        self._kind, self._ids = self._subject.meant([bundle.ids for bundle in self._bundles])
        if self._ids.commit and (full := self._sources.checkout.described(self._ids.commit)):
            self._ids = replace(self._ids, commit=full.sha)
        if stored and self._subject.model_uri and stored.bundles:
            self._ids = self._ids.with_more(stored.bundles[0].ids)
        self._follow()
        self._later()
        return self._trace()

    def _later(self) -> None:
        """Ask the sources that need to know the image, the version or the commit."""
        if not any(answer.source.name == model_registry.NAME for answer in self._answers):
            self._add(self._one_version())
        self._add(self._registry())
        self._add(checkout.answer(self._sources.checkout, self._ids.commit))
        verdicts = [verdict for bundle in self._taken for verdict in bundle.verdicts]
        here = self._ids.commit is not None and self._sources.checkout.head() == self._ids.commit
        self._add(data.answer(verdicts, self._ids, same_commit=here))

    def _add(self, answer: Answer) -> None:
        """Take another answer, and follow where it leads."""
        self._answers.append(answer)
        self._follow()

    def _follow(self) -> None:
        """Take every bundle that is about the subject, until none leads to another one."""
        while more := next((one for one in self._bundles if self._ids.same(one.ids) and one not in self._taken), None):
            self._taken.append(more)
            if more.believed:
                self._ids = self._ids.with_more(more.ids)

    @property
    def _bundles(self) -> Iterator[Bundle]:
        """What the sources answered so far."""
        return (bundle for answer in self._answers for bundle in answer.bundles)

    def _reports(self) -> Answer:
        """Return what the folder of reports says."""
        found, folder = self._sources.reports, self._sources.folder
        if found is None:
            why = "no such folder; name one with --reports"
            return Answer(source=Source(name=reports.NAME, place=folder, looked=Looked.NOT_ASKED, message=why))
        if isinstance(found, Cd4mlError):
            return reports.silent(folder, found)
        return reports.answer(Path(folder), *found, self._sources.key)

    def _gitops(self) -> Answer:
        """Return what the GitOps repository says."""
        place = self._sources.gitops
        if place is None:
            why = "nobody named one: set repository and manifest"
            return Answer(source=Source(name=gitops.NAME, place="", looked=Looked.NOT_ASKED, message=why))
        if not (self._sources.online or _local(place.repository)):
            return Answer(
                source=Source(name=gitops.NAME, place=redacted(str(place)), looked=Looked.NOT_ASKED, message=_OFFLINE)
            )
        found = gitops.answer(place, self._sources.environ)
        return replace(found, source=replace(found.source, place=redacted(found.source.place)))

    def _layout(self) -> Answer:
        """Return what the OCI layout says."""
        if self._sources.layout is None:
            why = "nobody named one"
            return Answer(source=Source(name=image.LAYOUT, place="", looked=Looked.NOT_ASKED, message=why))
        return image.in_layout(Path(self._sources.layout), self._sources.key)

    def _named(self) -> Subject:
        """Return the subject, with the digest that its tag names in the registry.

        Raises:
            OptionsError: the registry is not asked.
        """
        wanted = self._subject
        if wanted.reference is None or wanted.kinds[0][1].image:
            return wanted
        if not self._sources.online:
            raise OptionsError(
                f"{wanted.reference}: only its registry knows which image the tag names",
                advice="Add --remote to ask it, or name the image by its digest.",
            )
        digest = image.resolved(wanted.reference, self._sources.environ)
        name = wanted.reference.rpartition(":")[0]
        return replace(wanted, kinds=[("image", Ids(image=digest))], reference=f"{name}@{digest}")

    def _model_registry(self) -> Answer | None:
        """Return what the registry of models says, None if it must wait for the version to be known."""
        sources = self._sources
        try:
            address = registry_address(sources.tracking_uri, sources.environ)
        except OptionsError:
            why = "nobody named one: set tracking-uri or MLFLOW_TRACKING_URI"
            return Answer(source=Source(name=model_registry.NAME, place="", looked=Looked.NOT_ASKED, message=why))
        if not (sources.online or on_this_machine(address)):
            source = Source(
                name=model_registry.NAME, place=redacted(address), looked=Looked.NOT_ASKED, message=_OFFLINE
            )
            return Answer(source=source)
        uri = self._subject.model_uri
        if uri is None and not listable(address):
            return None
        return model_registry.answer(uri, address, tracking_uri=sources.tracking_uri, environ=sources.environ)

    def _one_version(self) -> Answer:
        """Return what the registry says of the version that other sources name."""
        sources = self._sources
        address = registry_address(sources.tracking_uri, sources.environ)
        if self._ids.version is None:
            source = Source(
                name=model_registry.NAME,
                place=redacted(address),
                looked=Looked.SILENT,
                message="no other source names a registered version, so it was not asked for one",
            )
            return Answer(source=source)
        uri = f"models:/{self._ids.version}"
        return model_registry.answer(uri, address, tracking_uri=sources.tracking_uri, environ=sources.environ)

    def _registry(self) -> Answer:
        """Return what the registry of images says."""
        name = self._image_name()
        why = "no source names the image" if name is None else _OFFLINE
        if name is None or not self._sources.online:
            return Answer(source=Source(name=image.REGISTRY, place=name or "", looked=Looked.NOT_ASKED, message=why))
        return image.in_registry(name, self._sources.environ, self._sources.key)

    def _image_name(self) -> str | None:
        """Return the image's name by digest, as the subject or a source writes it."""
        digest = self._ids.image
        names = [self._subject.reference, *(bundle.image for bundle in self._taken)]
        return next((f"{name.partition('@')[0]}@{digest}" for name in names if name and digest and "@" in name), None)

    def _trace(self) -> Trace:
        """Put together what was taken."""
        taken = self._taken
        return Trace(
            subject=self._subject.asked,
            kind=self._kind,
            facts=facts(record for bundle in taken for record in bundle.records),
            verdicts=[verdict for bundle in taken for verdict in bundle.verdicts],
            documents=[document for bundle in taken for document in bundle.documents],
            events=_newest_first(event for bundle in taken for event in bundle.events),
            sources=[self._looked(answer) for answer in self._answers],
            problems=list(dict.fromkeys(problem for bundle in taken for problem in bundle.problems)),
            notices=[*dict.fromkeys(one for bundle in taken for one in bundle.notices), *self._beside()],
        )

    def _looked(self, answer: Answer) -> Source:
        """Return a source: one that was read and of which nothing counts is silent."""
        source = answer.source
        if source.looked is Looked.READ and not any(bundle in self._taken for bundle in answer.bundles):
            near = "; ".join(bundle.told for bundle in answer.bundles[:_MOST_NEAR])
            said = f"it says nothing of this {self._kind}" + (f", but of others: {near}" if near else "")
            return replace(source, looked=Looked.SILENT, message="; ".join(filter(None, (said, source.message))))
        return source

    def _beside(self) -> Iterable[str]:
        """Yield what is worth knowing: what is about the same model or commit in another image, and what runs not."""
        others = [one for one in self._bundles if self._ids.near(one.ids) and one not in self._taken]
        for bundle in others[:_MOST_NEAR]:
            yield f"{bundle.told} is about something else of the same origin: {bundle.image or bundle.ids.model}"
        if len(others) > _MOST_NEAR:
            yield f"… and {len(others) - _MOST_NEAR} more of the same origin"
        asked = any(one.source.name == gitops.NAME and one.source.looked is Looked.READ for one in self._answers)
        runs = any(key[0] is Topic.DELIVERY for one in self._taken for record in one.records for key in record.values)
        if asked and self._ids.image and not runs:
            yield "the manifest does not name this image now"


def _local(repository: str) -> bool:
    """Whether a repository is a folder of this machine, or would be if it were there."""
    return not _REMOTE.match(repository)


def _newest_first(events: Iterable[Event]) -> list[Event]:
    """Return events without repeats; those without a time come last."""
    found = {(event.commit, event.kind): event for event in events}
    return sorted(found.values(), key=lambda event: event.time or "", reverse=True)
