"""What gives a canary its share of the traffic: weights that are written, replicas, or what other files say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why the manifest, as it is written, does not give what is asked for, and what to do."""

    words: str
    advice: str


class Traffic(Protocol):
    """What gives a canary its share of the traffic.

    Attributes:
        weighted: whether the weights that are written are what the canary gets.
        share: what the canary gets in percent, whatever weights are written; None if something weighs.
        divided: whether others may answer where there is no canary.
    """

    @property
    def weighted(self) -> bool:
        """See the class."""

    @property
    def share(self) -> int | None:
        """See the class."""

    @property
    def divided(self) -> bool:
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
    share: int | None = None
    divided: bool = False

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
    share: int | None = None
    divided: bool = False

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
    share: int | None = None
    divided: bool = True

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
    divided: bool = False

    @property
    def share(self) -> int:
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
        return "the traffic that the canary does not get" if weight else "all of the traffic"

    def against(self, weight: int) -> Problem | None:
        """Return why the canary would get more than was asked for."""
        if self.share <= weight:
            return None
        return Problem(
            words=f"nothing splits the traffic by weight: the canary would get {self.words} ({self.share} %), more "
            f"than canary-weight {weight}",
            advice=f"{self.advice}, run more replicas of the stable version, or set canary-weight: {self.share}.",
        )
