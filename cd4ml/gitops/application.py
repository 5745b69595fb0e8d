"""What every format says about an application: where its values stand, and what the manifest makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cd4ml.gitops.edit import Path
from cd4ml.gitops.traffic import Problem, Traffic, Weighted

Place = tuple[int, Path]  # a document's position in the file, and the way to a scalar in it


@dataclass(frozen=True, kw_only=True)
class Weight:
    """Where a weight stands: the canary's, or the one of what is left for the stable image."""

    place: Place
    canary: bool

    @property
    def rule(self) -> Place:
        """The rule of a route that it stands in."""
        return self.place[0], self.place[1][:-2]


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
        engine: what moves the canary's share by steps of its own, whatever weight is written.
        resets: whether the canary ends by getting the stable image, because nothing takes its traffic away.
        full_weight: the canary's weight once its image is the stable one: 0, for its place is idle then; 100 where a
            file has one place only, and the image that ran before is kept elsewhere.
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
    engine: str | None = None
    resets: bool = False
    full_weight: int = 0
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
