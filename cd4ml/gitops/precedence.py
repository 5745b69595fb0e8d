"""Who goes first: a newer deployment over an older one that finishes late, and people over pipelines.

All that is known stands in the repository: what the manifest says now, and the trailers of the commits that deployed.
A change by hand is seen by its effect: an image that was deployed and is there no longer was taken back by somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cd4ml.git import Checkout
from cd4ml.gitops.manifest import Image, State
from cd4ml.gitops.repository import Commit
from cd4ml.image.reference import same_image
from cd4ml.report import Check, Status


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a run wants to deploy: the image, its weight as a canary, and the commit that it was made from.

    Attributes:
        checkout: the source's, which may or may not know the commits that others deployed.
    """

    image: Image
    weight: int
    source: str
    checkout: Checkout

    @property
    def trailers(self) -> dict[str, str]:
        """What the deploying commit says about this order, for later runs."""
        made = self.checkout.committed_at(self.source)
        when = {"Cd4ml-Source-Time": str(made)} if made is not None else {}
        return {
            "Cd4ml-Image": str(self.image),
            "Cd4ml-Source": self.source,
            **when,
            "Cd4ml-Canary-Weight": str(self.weight),
        }


def deploys(commit: Commit) -> bool:
    """Whether a commit is one of deploy-model."""
    return commit.trailer("Cd4ml-Image") is not None


def carried_out(order: Order, state: State, history: Sequence[Commit]) -> bool:
    """Whether this very order is in the manifest already; a weight that somebody set since is theirs."""
    if state.stable == order.image.digest:
        return True
    last = next((commit for commit in history if deploys(commit)), None)
    same = last is not None and same_image(last.trailer("Cd4ml-Image"), str(order.image))
    repeated = same and last is not None and last.trailer("Cd4ml-Canary-Weight") == str(order.weight)
    return state.canary == order.image.digest and state.weight > 0 and (repeated or state.weight == order.weight)


def overruled(order: Order, state: State, history: Sequence[Commit]) -> Check | None:
    """Return a failed check if the order must not be carried out, None if nothing stands against it."""
    return _overtaken(order, state, history) or _withdrawn(order, state, history)


def _overtaken(order: Order, state: State, history: Sequence[Commit]) -> Check | None:
    """Return a failed check if what is deployed was made from a newer commit."""
    last = next((commit for commit in history if deploys(commit)), None)
    source = last.trailer("Cd4ml-Source") if last else None
    if last is None or source is None or source == order.source or not _newer(order, last, source):
        return None
    return Check(
        id="precedence",
        status=Status.FAILED,
        reason="superseded",
        message=f"{last.trailer('Cd4ml-Image')} was deployed from the newer commit {source[:12]} ({last.sha[:12]}).",
        advice="Nothing, if this run only finished late; else deploy from a newer commit, or set redeploy: true.",
    )


def _newer(order: Order, last: Commit, source: str) -> bool:
    """Whether a deployed commit is newer than ours: by ancestry if the checkout knows both, else by their times."""
    if order.checkout.is_ancestor(order.source, source):
        return True
    if order.checkout.is_ancestor(source, order.source):
        return False
    ours, theirs = order.checkout.committed_at(order.source), last.trailer("Cd4ml-Source-Time")
    return ours is not None and theirs is not None and theirs.isdigit() and int(theirs) > ours


def _withdrawn(order: Order, state: State, history: Sequence[Commit]) -> Check | None:
    """Return a failed check if this image was deployed before and is there no longer."""
    ours = (commit for commit in history if same_image(commit.trailer("Cd4ml-Image"), str(order.image)))
    before = next(ours, None)
    if before is None or state.stable == order.image.digest:
        return None
    if state.canary == order.image.digest and state.weight > 0:
        return None
    return Check(
        id="precedence",
        status=Status.FAILED,
        reason="taken-back",
        message=f"{order.image} was deployed in {before.sha[:12]} and taken back since (last change: "
        f"{history[0].sha[:12]}).",
        advice="Deploy a new build, or set redeploy: true to bring it back.",
    )
