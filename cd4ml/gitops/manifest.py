"""What a manifest says now and what it would say after a change, whatever format it has.

Each module in `formats` knows one: it finds the applications that a file serves, where their images and weights stand,
and what gives a canary its traffic. Which of them is meant, the image's repository says, or the name of its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cd4ml.errors import OptionsError
from cd4ml.gitops import protected, read
from cd4ml.gitops.application import Place, Weight
from cd4ml.gitops.choice import application
from cd4ml.gitops.edit import Edit, apply, documents, shown, value
from cd4ml.gitops.image import DIGEST, Image
from cd4ml.gitops.traffic import Problem
from cd4ml.image.reference import parse, repository_of


@dataclass(frozen=True, kw_only=True)
class State:
    """What a manifest says now; digests are None where nothing is deployed."""

    stable: str | None
    canary: str | None
    weight: int


class Manifest:
    """A manifest that has been read."""

    def __init__(self, text: str, *, repository: str | None = None, part: str | None = None) -> None:
        """Read the text and find the application that is meant.

        Args:
            repository: of the image; None if it is not known, which is enough where the file serves one application.
            part: path of its values or name of its object, if the repository alone does not say which one.

        Raises:
            OptionsError: the file is in no known format, is signed or generated as a whole, or does not say which
                application is meant.
        """
        self.text = text
        protected.refuse_text(text)
        self._data = [value(root) for root in documents(text)]
        protected.refuse_signed(self._data)
        self.served = application(self._data, repository, part)
        self.part = self.served.name if part else None  # by one name, however it was spelled

    def changed(self, text: str) -> Manifest:
        """Return the same application in another text of this file."""
        return Manifest(text, repository=self.repository, part=self.served.name or None)

    @property
    def repository(self) -> str:
        """The image's repository, as the manifest names it."""
        return self.served.repositories[0]

    @property
    def state(self) -> State:
        """The digests and the weight that the manifest holds."""
        served = self.served
        canary = self._digest(served.canary[0]) if served.canary else None
        weight, stable = self._weight(), self._digest(served.stable[0])
        if not self._enabled or (served.resets and canary == stable):
            canary = None
        return State(stable=stable, canary=canary, weight=weight if canary else 0)

    @property
    def stable(self) -> str | None:
        """The stable image as the manifest names it now: by digest, or by a tag; None if there is none."""
        text = str(self._at(self.served.stable[0]) or "").strip()
        if self.served.whole_reference:
            return None if text in ("", "null", "~") else text
        if DIGEST.fullmatch(text):
            return f"{self.repository}@{text}"
        return f"{self.repository}:{self.served.tag}" if self.served.tag else None

    def share(self, wanted: str) -> str:
        """Return what the manifest gives an image, to follow `… gives <image>`.

        Args:
            wanted: its digest or its reference.
        """
        state, served, digest = self.state, self.served, wanted.rpartition("@")[2]
        if state.canary == digest and state.stable != digest:
            return served.traffic.told(state.weight)
        if (self.stable or "").rpartition("@")[2] != digest:
            return "nothing"
        if served.against:
            return f"no traffic: {served.against.words}"
        if served.controller:
            return f"over {served.controller}"
        among = f" that reaches {served.name}" if served.among else ""
        return served.traffic.rest(state.weight) + among

    def alone(self, digest: str) -> bool | None:
        """Whether only this image answers, as far as this file decides it; None if a controller or a route does."""
        state, served = self.state, self.served
        if state.canary == digest and state.weight == 100 and not served.against_canary:
            return True if served.traffic.weighted else None
        if state.stable != digest or state.weight or served.against:
            return False
        beside = served.traffic.divided or (served.among and state.canary not in (None, digest))
        return None if served.controller or served.engine or beside else True

    def confirm(self, digest: str) -> None:
        """Check that an image that the manifest holds gets what `share` says.

        Raises:
            OptionsError: nothing would run it, or send it requests.
        """
        _refuse(self.served.against)
        if self.state.stable != digest:
            _refuse(self.served.against_canary)

    def with_canary(self, new: Image, weight: int) -> str:
        """Return the text with the image as canary of this weight in percent.

        Where the manifest has no canary, a weight of 100 replaces the stable image. A canary that had all goes on as
        the stable image. A controller that brings new images out by its own steps gets the image, whatever the weight.

        Raises:
            OptionsError: the manifest, as it is written, would not give the image that share.
        """
        self._check_repository(new.repository)
        served = self.served
        _refuse(served.against)
        first = self.stable is None
        if first and weight < 100:
            raise OptionsError(
                f"this {served.kind} has no stable image: `{shown(served.stable[0][1])}` is empty, and nothing "
                f"would answer what the canary does not get",
                advice="Set canary-weight: 100 for the first deployment.",
            )
        if served.controller:
            return self._applied(self._image_edits(served.stable, new))
        alone = not served.canary or not served.traffic.weighted or served.against_canary or served.full_weight
        if first or (weight == 100 and alone):
            return self.promoted(new)
        _refuse(served.against_canary)
        if not served.canary:
            raise OptionsError(
                f"this {served.kind} has no place for a canary",
                advice=f"Add one ({served.place_for_canary}), or set canary-weight: 100 to replace the image at once.",
            )
        _refuse(served.traffic.against(weight))
        last = Image(repository=self.repository, digest=self.state.canary or new.digest)
        kept = self._image_edits(served.stable, last) if last.digest != new.digest and self.alone(last.digest) else []
        return self._applied([*kept, *self._image_edits(served.canary, new), *self._weight_edits(weight, enabled=True)])

    def promoted(self, new: Image) -> str:
        """Return the text with the image as the stable one and no canary.

        Raises:
            OptionsError: the manifest, as it is written, would give it no traffic.
        """
        self._check_repository(new.repository)
        _refuse(self.served.against)
        edits = self._ending(self._written(new), self.served.stable)
        return self._applied(edits + self._weight_edits(self.served.full_weight, enabled=False))

    def restored(self, reference: str) -> str:
        """Return the text with an earlier stable image in its place, by digest or by tag, and no canary.

        Raises:
            OptionsError: it was named by a tag that the manifest does not hold any more.
        """
        earlier = parse(reference, "the earlier image")
        if earlier.digest is None or self.serves(earlier.name):
            self._check_repository(earlier.name)
        else:  # pulled from a mirror since: the digest is the same there
            reference = f"{self.repository}@{earlier.digest}"
        if not self.served.whole_reference and earlier.digest is None and earlier.tag != self.served.tag:
            raise OptionsError(
                f"{reference} ran before, but the tag in the {self.served.kind} is now {self.served.tag!r}",
                advice="Set the tag by hand, and empty the digest.",
            )
        written = reference if self.served.whole_reference else earlier.digest or ""
        edits = self._ending(written, self.served.stable)
        return self._applied(edits + self._weight_edits(self.served.full_weight, enabled=False))

    def without_canary(self) -> str:
        """Return the text with the canary switched off.

        Raises:
            OptionsError: its place would be left without an image.
        """
        stable = str(self._at(self.served.stable[0]) or "")
        if self.served.full_weight and not stable:
            raise OptionsError(f"`{shown(self.served.stable[0][1])}` does not say which image ran before")
        # A controller that gave the canary all of the traffic keeps nothing beside it.
        weight = self.served.full_weight if self._weight() == self.served.full_weight else 0
        return self._applied([*self._ending(stable, ()), *self._weight_edits(weight, enabled=False)])

    def _applied(self, edits: Sequence[Edit]) -> str:
        """Return the text with the edits, unless one of their targets is encrypted."""
        for edit in edits:
            if str(self._at((edit.document, edit.path))).startswith("ENC["):
                raise OptionsError(f"`{shown(edit.path)}` is encrypted by SOPS", advice="Exclude it from encryption.")
        return apply(self.text, edits)

    def _ending(self, written: str, places: Sequence[Place]) -> list[Edit]:
        """Return the edits that put an image into places, and into the canary's where nothing takes its traffic."""
        # An entry that goes back to a tag needs one of its own.
        back = [place for place in self.served.canary if written or self.served.tag == self._tag_beside(place)]
        also = back if self._answers else ()
        return [Edit(document=document, path=path, value=written) for document, path in (*places, *also)]

    @property
    def _answers(self) -> bool:
        """Whether the canary goes on to answer without a weight, and is not one that idles with an image of its own."""
        served = self.served
        if not served.canary or not served.resets:
            return False
        idle = self.state.weight == 0 and self._digest(served.canary[0]) != self._digest(served.stable[0])
        return served.traffic.share is not None or bool(served.full_weight) or not idle

    def _tag_beside(self, place: Place) -> str:
        """Return the tag of the entry that a digest belongs to, in a kustomization; empty if there is none."""
        return read.text(read.follow(self._data[place[0]], place[1][:-1]), "newTag")

    def _at(self, place: Place) -> Any:
        """Return the text at a place, None if nothing stands there."""
        return read.follow(self._data[place[0]], place[1])

    @property
    def _enabled(self) -> bool:
        """Whether the canary is switched on, where there is a switch."""
        place = self.served.enabled
        return not self.served.switched if place is None else read.switch(self._data[place[0]], place[1], False)

    def _weight(self) -> int:
        """Return the canary's share; of rules that somebody set apart by hand, the greatest."""
        if self.served.traffic.share is not None and self.served.resets:
            return self.served.traffic.share
        return max((self._percent(weight) for weight in self.served.weights if weight.canary), default=0)

    def _percent(self, weight: Weight) -> int:
        """Return a canary's weight; of two weights in a rule, its part of both."""
        others = [item for item in self.served.weights if not item.canary and item.rule == weight.rule]
        if not others:
            return self._whole(weight.place, 100)
        mine, rest = (self._whole(item.place, 1_000_000) for item in (weight, others[0]))
        return min(max(round(100 * mine / (mine + rest)), 1), 99 if rest else 100) if mine else 0

    def _whole(self, place: Place, most: int) -> int:
        """Return the number at a place."""
        text = str(self._at(place))
        # With a leading zero Helm reads it in base 8.
        if not re.fullmatch(r"0|[1-9][0-9]{0,6}", text) or int(text) > most:
            raise OptionsError(f"`{shown(place[1])}` must be a whole number from 0 to {most}, found {text!r}")
        return int(text)

    def _digest(self, place: Place) -> str | None:
        """Return the digest at a place."""
        text = str(self._at(place)).rpartition("@")[2]
        return text if DIGEST.fullmatch(text) else None

    def _written(self, new: Image) -> str:
        """Return an image as its places hold it, by the name that the manifest gives its repository."""
        return f"{self.repository}@{new.digest}" if self.served.whole_reference else new.digest

    def _image_edits(self, places: Sequence[Place], new: Image) -> list[Edit]:
        """Return the edits that put an image into places."""
        return [Edit(document=document, path=path, value=self._written(new)) for document, path in places]

    def _weight_edits(self, weight: int, *, enabled: bool) -> list[Edit]:
        """Return the edits that set the canary's weight, and what is left for the stable one."""
        edits = [
            Edit(document=item.place[0], path=item.place[1], value=weight if item.canary else 100 - weight)
            for item in self.served.weights
        ]
        if self.served.enabled and self.served.weights:
            edits.append(Edit(document=self.served.enabled[0], path=self.served.enabled[1], value=enabled))
        return edits

    def serves(self, reference: str | None) -> bool:
        """Whether an image is of the repository that the manifest names."""
        name = read.without_tag(reference or "")
        return bool(name) and repository_of(name) in map(repository_of, self.served.repositories)

    def _check_repository(self, repository: str) -> None:
        """Refuse an image of another repository than the manifest names."""
        if not self.serves(repository):
            raise OptionsError(
                f"the manifest serves {self.repository!r}, the image is of {repository!r}",
                advice="They may belong to different models. If one mirrors the other, set image to the mirror's name "
                "and the same digest.",
            )


def _refuse(problem: Problem | None) -> None:
    """Raise a problem, if there is one."""
    if problem:
        raise OptionsError(problem.words, advice=problem.advice)
