"""How many pods of a workload run, and why none may: no replicas, a pause, an autoscaler that goes down to none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.gitops import read
from cd4ml.gitops.edit import mapping
from cd4ml.gitops.kubernetes import rollout
from cd4ml.gitops.traffic import Problem

_PAUSED: Final = ("metadata", "annotations", "autoscaling.keda.sh/paused-replicas")
_LABELS: Final = (("selector", "matchLabels"), ("template", "metadata", "labels"))


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The replicas of a workload, between two bounds if an autoscaler moves them."""

    fewest: int
    most: int

    @property
    def moves(self) -> bool:
        """Whether an autoscaler decides."""
        return self.fewest != self.most


def scale(workload: Any, documents: Sequence[Any]) -> Scale:
    """Return how many replicas a workload has."""
    written = read.count(workload, ("spec", "replicas"), 1)
    autoscaler = _autoscaler(workload, documents)
    if autoscaler is None or (written == 0 and read.kind(autoscaler) == "HorizontalPodAutoscaler"):
        return Scale(fewest=written, most=written)  # Kubernetes leaves a workload of no replicas alone
    if read.kind(autoscaler) == "ScaledObject":
        if read.follow(autoscaler, _PAUSED) is not None:
            fixed = read.count(autoscaler, _PAUSED, 0)
            return Scale(fewest=fixed, most=fixed)
        idle = read.count(autoscaler, ("spec", "minReplicaCount"), 0)
        fewest = min(idle, read.count(autoscaler, ("spec", "idleReplicaCount"), idle))
        return Scale(fewest=fewest, most=read.count(autoscaler, ("spec", "maxReplicaCount"), 100))
    fewest = read.count(autoscaler, ("spec", "minReplicas"), 1)
    return Scale(fewest=fewest, most=read.count(autoscaler, ("spec", "maxReplicas"), max(fewest, 1)))


def nothing_runs(workload: Any, documents: Sequence[Any]) -> Problem | None:
    """Return why a new image of a workload would not run, or not all of the time."""
    named = f"{read.kind(workload)} {read.name(workload)}"
    referring = rollout.referring(workload, documents)
    leading = referring or workload
    if read.switch(leading, ("spec", "paused"), False):
        words = f"the {read.kind(leading)} {read.name(leading)} is paused: it would not start the image"
        return Problem(words=words, advice="Set spec.paused: false.")
    flagger = rollout.flagger(workload, documents)
    if flagger is not None and read.switch(flagger, ("spec", "suspend"), False):
        words = f"Flagger's Canary {read.name(flagger)} is suspended: it would not roll the image out"
        return Problem(words=words, advice="Set spec.suspend: false.")
    wanted, given = (read.labels(workload, "spec", *path) for path in _LABELS)
    if not wanted.items() <= given.items():
        words = f"the {named} selects other labels than its pods have: Kubernetes refuses it"
        return Problem(words=words, advice="Set spec.selector.matchLabels to labels of spec.template.")
    if scale(leading, documents).fewest > 0:
        return None
    autoscaler = _autoscaler(leading, documents)
    if autoscaler is not None and read.count(leading, ("spec", "replicas"), 1) > 0:
        words = f"the {read.kind(autoscaler)} {read.name(autoscaler)} may scale {named} to 0: nothing would serve"
        return Problem(words=words, advice="Let it keep 1 replica or more.")
    words = f"the {named} has replicas: 0: nothing would serve"
    return Problem(words=words, advice="Set its replicas to 1 or more.")


def _autoscaler(workload: Any, documents: Sequence[Any]) -> Any:
    """Return the autoscaler of a workload, None if the file has none."""
    for item in documents:
        if read.kind(item) in ("HorizontalPodAutoscaler", "ScaledObject"):
            target = mapping(item, "spec", "scaleTargetRef")
            # KEDA takes a Deployment if no kind is named.
            if (target.get("kind", "Deployment"), target.get("name")) == (read.kind(workload), read.name(workload)):
                return item
    return None
