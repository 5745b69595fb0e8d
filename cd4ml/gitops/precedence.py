"""Who goes first: a newer deployment over an older one that finishes late, and people over pipelines.

All that is known stands in the repository: what the manifest says now, and the trailers of the commits that deployed.
A change by hand is seen by its effect: an image that was deployed and is there no longer was taken back by somebody.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.git import Checkout
from cd4ml.gitops.history import Commit, History
from cd4ml.gitops.image import Image
from cd4ml.gitops.manifest import State
from cd4ml.gitops.trailers import CANARY_WEIGHT, IMAGE, SOURCE, SOURCE_TIME
from cd4ml.image.reference import repository_of, same_image
from cd4ml.report import Check, Status

CLOCKS: Final = 300  # seconds by which the clocks of two machines may differ


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
        when = {SOURCE_TIME: str(made)} if made is not None else {}
        return {
            IMAGE: str(self.image),
            SOURCE: self.source,
            **when,
            CANARY_WEIGHT: str(self.weight),
        }


def carried_out(order: Order, state: State, history: History) -> bool:
    """Whether this very order is in the manifest already; a weight that somebody set since is theirs."""
    if state.stable == order.image.digest:
        return True
    last = next(iter(_deployments(order, history)), None)
    same = last is not None and same_image(last.trailer(IMAGE), str(order.image))
    repeated = same and last is not None and last.trailer(CANARY_WEIGHT) == str(order.weight)
    return state.canary == order.image.digest and state.weight > 0 and (repeated or state.weight == order.weight)


def overruled(order: Order, state: State, history: History) -> Check | None:
    """Return a check that did not pass if the order must not be carried out, None if nothing stands against it."""
    return _overtaken(order, state, history) or _withdrawn(order, state, history) or _unknown(order, history)


def outpaced(order: Order, requested: Sequence[Commit]) -> Check | None:
    """Return a failed check if an open request asks for what was made from a newer commit."""
    for other in requested:
        source = _newer(order, other)
        if source:
            return _failed(
                "superseded",
                f"A pull request asks for {other.trailer(IMAGE)}, from the newer commit {source[:12]}.",
                "None if this run only finished late; otherwise close that pull request, or set redeploy: true.",
            )
    return None


def refused(address: str) -> Check | None:
    """Return a failed check if somebody closed the pull request for this image, at an address, without a merge."""
    if not address:
        return None
    return _failed(
        "declined",
        f"The pull request that asked for this image was closed without a merge: {address}.",
        "Reopen it, deploy a new build, or set redeploy: true to ask again.",
    )


def _failed(reason: str, message: str, advice: str) -> Check:
    """Return the failed check of an order that somebody goes before."""
    return Check(id="precedence", status=Status.FAILED, reason=reason, message=message, advice=advice)


def _deployments(order: Order, history: History) -> list[Commit]:
    """Return the deployments of the same application, newest first: a file may serve others beside it."""
    ours = repository_of(order.image.repository)
    images = ((commit, commit.trailer(IMAGE)) for commit in history.commits)
    return [commit for commit, image in images if image and repository_of(image.partition("@")[0]) == ours]


def _overtaken(order: Order, state: State, history: History) -> Check | None:
    """Return a failed check if what was deployed last, or runs as canary, was made from a newer commit."""
    deployed = _deployments(order, history)
    # Of two branches that were merged, the one that is listed first need not be the one that the merge kept.
    runs = [
        commit for commit in deployed if state.weight and (commit.trailer(IMAGE) or "").endswith(f"@{state.canary}")
    ]
    for last in (*deployed[:1], *runs[:1]):
        source = _newer(order, last)
        if source:
            return _failed(
                "superseded",
                f"{last.trailer(IMAGE)} was deployed from the newer commit {source[:12]} ({last.sha[:12]}).",
                "None if this run only finished late; otherwise deploy from a newer commit, or set redeploy: true.",
            )
    return None


def _newer(order: Order, last: Commit) -> str:
    """Return the commit that a deployment names as its source if it is newer than ours; empty if it is not.

    Ancestry says so if the checkout knows both, else their times.
    """
    source = last.trailer(SOURCE)
    if not source or source == order.source:
        return ""
    if order.checkout.is_ancestor(order.source, source):
        return source
    if order.checkout.is_ancestor(source, order.source):
        return ""
    ours, text = order.checkout.committed_at(order.source), last.trailer(SOURCE_TIME) or ""
    theirs = int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
    if ours is None or theirs is None:
        return ""
    # A commit cannot have been made after its own deployment: a date in the future says nothing.
    return source if ours < theirs <= min(last.time, time.time()) + CLOCKS else ""


def _withdrawn(order: Order, state: State, history: History) -> Check | None:
    """Return a failed check if this image was deployed before and is there no longer."""
    ours = (commit for commit in history.commits if same_image(commit.trailer(IMAGE), str(order.image)))
    before = next(ours, None)
    if before is None or state.stable == order.image.digest:
        return None
    if state.canary == order.image.digest and state.weight > 0:
        return None
    return _failed(
        "taken-back",
        f"{order.image} was deployed in {before.sha[:12]} and rolled back since (last change: "
        f"{history.commits[0].sha[:12]}).",
        "Deploy a new build, or set redeploy: true to bring it back.",
    )


def _unknown(order: Order, history: History) -> Check | None:
    """Return an inconclusive check if part of the history is out of reach."""
    if history.complete:
        return None
    return Check(
        id="precedence",
        status=Status.INCONCLUSIVE,
        reason="incomplete-history",
        message=f"Whether {order.image} was deployed before and rolled back is unknown: the repository holds only the "
        "newest part of the branch's history, or the branch was rewritten during this run.",
        advice="Complete the repository (`git fetch --unshallow` there), or run again; redeploy: true skips the check.",
    )
