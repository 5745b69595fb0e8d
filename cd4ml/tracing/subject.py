"""What is traced: an image, a model or a commit, by the names that people have for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cd4ml.digests import folder_sha256
from cd4ml.errors import OptionsError
from cd4ml.image.reference import parse
from cd4ml.registry import is_registered, reference_of

_SHA256: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
_FORMS: Final = (
    "Name an image (ghcr.io/owner/name@sha256:…, or its digest), a model (its digest, models:/<name>/<version>, "
    "models:/<name>@<alias>, or its folder) or a commit."
)


@dataclass(frozen=True, kw_only=True)
class Ids:
    """By what something is known: the most exact first. An image holds one model, and is made from one commit.

    Attributes:
        image: its digest, `sha256:…`.
        model: digest of the model's files, hexadecimal.
        version: of the model in its registry, `name/7`.
        commit: of the code.
    """

    image: str | None = None
    model: str | None = None
    version: str | None = None
    commit: str | None = None

    @property
    def each(self) -> tuple[str | None, ...]:
        """The ids in their order."""
        return (self.image, self.model, self.version, self.commit)

    def same(self, other: Ids) -> bool:
        """Whether both are one thing, by the most exact id that both have."""
        pairs = (pair for pair in zip(self.each, other.each, strict=True) if None not in pair)
        first = next(pairs, None)
        return first is not None and first[0] == first[1]

    def near(self, other: Ids) -> bool:
        """Whether they share an id."""
        return any(one == two for one, two in zip(self.each, other.each, strict=True) if one is not None)

    def with_more(self, other: Ids) -> Ids:
        """Return these ids, and those of another that these lack."""
        image, model, version, commit = (one or two for one, two in zip(self.each, other.each, strict=True))
        return Ids(image=image, model=model, version=version, commit=commit)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was asked for.

    Attributes:
        kinds: what the words may mean, each with the ids that they then are, the likeliest first.
        reference: of an image, with its repository, where one was given.
        model_uri: of a registered model, where one was given.
    """

    asked: str
    kinds: Sequence[tuple[str, Ids]]
    reference: str | None = None
    model_uri: str | None = None

    def meant(self, known: Sequence[Ids]) -> tuple[str, Ids]:
        """Return what is meant: the first meaning that anything known has, and a short commit in full.

        Raises:
            OptionsError: a short commit begins several.
        """
        for kind, ids in self.kinds:
            full = replace(ids, commit=_full(ids.commit, known)) if ids.commit else ids
            if any(full.same(one) for one in known):
                return kind, full
        return self.kinds[0]


def subject(asked: str) -> Subject:
    """Read what is to be traced.

    Raises:
        OptionsError: it is none of the forms.
    """
    text = asked.strip()
    if found := _SHA256.fullmatch(text):
        return Subject(asked=text, kinds=list(_digest(found[1], prefixed=text != found[1])))
    if _COMMIT.fullmatch(text):
        return Subject(asked=text, kinds=[("commit", Ids(commit=text))])
    if is_registered(text):
        reference = reference_of(text)
        version = f"{reference.name}/{reference.version}" if reference.version else None
        return Subject(asked=text, kinds=[("model", Ids(version=version))], model_uri=text)
    if (Path(text) / "MLmodel").is_file():
        return Subject(asked=text, kinds=[("model", Ids(model=folder_sha256(Path(text))))])
    try:
        image = parse(text, "subject")
    except OptionsError as error:
        raise OptionsError(f"{text[:200]!r} names nothing that can be traced", advice=_FORMS) from error
    if not (image.digest or image.tag):
        raise OptionsError(f"{text[:200]!r} names an image without saying which one", advice=_FORMS)
    return Subject(asked=text, kinds=[("image", Ids(image=image.digest))], reference=text)


def _digest(digest: str, *, prefixed: bool) -> Iterator[tuple[str, Ids]]:
    """Yield what a digest may be of."""
    yield "image", Ids(image=f"sha256:{digest}")
    yield "model", Ids(model=digest)
    if not prefixed:
        yield "commit", Ids(commit=digest)


def _full(commit: str, known: Sequence[Ids]) -> str:
    """Return the commit that a short one begins, as far as one is known."""
    found = sorted({ids.commit for ids in known if ids.commit and ids.commit.startswith(commit)})
    if len(found) > 1:
        raise OptionsError(
            f"{commit} begins several commits: {', '.join(one[:16] for one in found[:5])}", advice="Write more of it."
        )
    return found[0] if found else commit
