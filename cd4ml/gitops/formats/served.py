"""What every format says about an application: where its values stand, and what the manifest makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cd4ml.gitops.edit import Path

Place = tuple[int, Path]  # a document's position in the file, and the way to a scalar in it


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why the manifest, as it is written, does not give what is asked for, and what to do."""

    words: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class Weight:
    """Where a weight stands: the canary's, or the one of what is left for the stable image."""

    place: Place
    canary: bool

    @property
    def rule(self) -> Place:
        """The rule of a route that it stands in."""
        return self.place[0], self.place[1][:-2]


class Traffic(Protocol):
    """What gives a canary its share of the traffic.

    Attributes:
        weighted: whether the weights that are written are what the canary gets.
    """

    @property
    def weighted(self) -> bool:
        """See the class."""

    def told(self, weight: int) -> str:
        """Return what a canary of this weight gets, to follow `… gives <digest>`."""

    def rest(self, weight: int) -> str:
        """Return what a stable image gets beside a canary of this weight; 0 if there is none."""

    def against(self, weight: int) -> Problem | None:
        """Return why the canary cannot get this weight."""


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """Something splits the traffic by the weights that are written."""

    weighted: bool = True

    def told(self, weight: int) -> str:
        """Return the share."""
        return f"{weight} % of the traffic as canary"

    def rest(self, weight: int) -> str:
        """Return the share."""
        return f"{100 - weight} % of the traffic, beside a canary" if weight else "all of the traffic"

    def against(self, weight: int) -> Problem | None:
        """Return None: any weight is possible."""
        return None


@dataclass(frozen=True, kw_only=True)
class Noted:
    """The weight is written down; other files decide what it means.

    Attributes:
        who: what decides.
    """

    who: str
    weighted: bool = False

    def told(self, weight: int) -> str:
        """Return what is written, and who decides."""
        return f"the canary's place and notes a weight of {weight}; its share of the traffic is up to {self.who}"

    def rest(self, weight: int) -> str:
        """Return what is written, and who decides."""
        return f"the stable image's place; its share of the traffic is up to {self.who}"

    def against(self, weight: int) -> Problem | None:
        """Return None: nothing is promised."""
        return None


@dataclass(frozen=True, kw_only=True)
class Divided:
    """A route divides the traffic between a version without a canary and others, which may be of another image.

    Attributes:
        route: the route's kind and name.
        name: the version's.
    """

    route: str
    name: str
    weighted: bool = False

    def told(self, weight: int) -> str:
        """Return nothing: there is no canary."""
        return "nothing"

    def rest(self, weight: int) -> str:
        """Return the version's part."""
        return f"the part of the traffic that {self.route} sends to {self.name}"

    def against(self, weight: int) -> Problem | None:
        """Return None: there is no canary."""
        return None


@dataclass(frozen=True, kw_only=True)
class ByReplicas:
    """Requests spread over all pods of both versions.

    Attributes:
        canary: the canary's replicas; the most of them, if they are scaled.
        stable: the stable version's; the fewest of them, if they are scaled.
        scaled: whether an autoscaler moves either number.
        advice: how else the canary gets the share that is asked for.
    """

    canary: int
    stable: int
    scaled: bool
    advice: str
    weighted: bool = False

    @property
    def percent(self) -> int:
        """The share in whole percent, rounded up."""
        return -(-100 * self.canary // max(self.canary + self.stable, 1))

    @property
    def words(self) -> str:
        """The share in words."""
        most = "at most " if self.scaled else ""
        return f"its share of replicas, {most}{self.canary} of {self.canary + self.stable}"

    def told(self, weight: int) -> str:
        """Return the share."""
        return f"{self.words}, as canary"

    def rest(self, weight: int) -> str:
        """Return the share."""
        return "the traffic that a canary beside it does not get" if weight else "all of the traffic"

    def against(self, weight: int) -> Problem | None:
        """Return why the canary would get more than was asked for."""
        if self.percent <= weight:
            return None
        return Problem(
            words=f"nothing splits the traffic by weight: the canary would get {self.words} ({self.percent} %), more "
            f"than canary-weight {weight}",
            advice=f"{self.advice}, run more replicas of the stable version, or set canary-weight: {self.percent}.",
        )


@dataclass(frozen=True, kw_only=True)
class Served:
    """An application that a manifest serves.

    Attributes:
        kind: the format, for messages.
        name: what tells this application from others in the file: the path of its values, or an object's name.
        repositories: names of the image's repository, the one that is pulled first.
        stable: every place of the stable image.
        canary: every place of the canary's image; empty where the file has none.
        switched: whether a canary is off unless it is switched on.
        enabled: where the canary is switched on and off.
        whole_reference: whether an image's place holds `repository@digest` rather than the digest alone.
        tag: the tag that counts as long as no digest is set.
        place_for_canary: what to add to get a place for a canary.
        traffic: what gives the canary its share.
        controller: what a controller does with a new stable image instead of giving it all of the traffic.
        resets: whether the canary ends by getting the stable image, because nothing takes its traffic away.
        among: whether others in the file may answer in its place: an image of the same repository, an unsplit canary.
        others: names of the other applications in the file.
        against: why no image of this application would get any traffic.
        against_canary: why a canary would get no traffic.
    """

    kind: str
    name: str
    repositories: tuple[str, ...]
    stable: tuple[Place, ...]
    canary: tuple[Place, ...] = ()
    switched: bool = False
    enabled: Place | None = None
    weights: tuple[Weight, ...] = ()
    whole_reference: bool = False
    tag: str = ""
    place_for_canary: str
    traffic: Traffic = Weighted()
    controller: str | None = None
    resets: bool = False
    among: bool = False
    others: frozenset[str] = frozenset()
    against: Problem | None = None
    against_canary: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application in a manifest, before it is known whether it is the one that is meant.

    Attributes:
        name: what tells this application from others in the file: the path of its values, or an object's name.
        repositories: names of its image's repository, the one that is pulled first.
        marked: whether the file says that it is a model: by a canary beside it, or by its container's name.
        pinned: whether its image is written by digest, as every deployment writes it.
        served: reads the rest; what is wrong with one application concerns nobody who means another.
    """

    name: str
    repositories: tuple[str, ...]
    marked: bool = False
    pinned: bool
    served: Callable[[], Served]


class Format(Protocol):
    """A format of manifests."""

    def __call__(self, documents: Sequence[Any]) -> list[Application]:
        """Return the applications that documents in this format serve; none if they are in another one.

        Args:
            documents: plain data as `edit.value` returns it, every scalar as text.

        Raises:
            OptionsError: they are in this format, and name no image.
        """
