"""Controllers that bring a new image to production by themselves: Argo Rollouts' Rollout and Flagger's Canary.

Whoever sets the image hands it over; what share it gets, and when, the object's own steps say.
https://argo-rollouts.readthedocs.io/en/stable/features/specification/ · https://docs.flagger.app/usage/how-it-works
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.gitops import read
from cd4ml.gitops.edit import mapping

_FLAGGER: Final = "flagger.app"


def controller(workload: Any, documents: Sequence[Any]) -> str | None:
    """Return what a controller does with a new image of a workload; None if Kubernetes itself brings it out.

    Args:
        workload: a Deployment, StatefulSet or Rollout.
        documents: of the same file.
    """
    if read.kind(workload) == "Rollout":
        return _rollout(workload)
    rollout, canary = referring(workload, documents), flagger(workload, documents)
    if rollout is not None:
        return _rollout(rollout)
    return None if canary is None else _flagger(canary)


def referring(workload: Any, documents: Sequence[Any]) -> Any:
    """Return the Rollout that takes a Deployment's template, None if there is none."""
    return next((item for item in documents if _follows(item, "Rollout", "workloadRef", workload)), None)


def flagger(workload: Any, documents: Sequence[Any]) -> Any:
    """Return Flagger's Canary that watches a workload, None if there is none."""
    watching = (item for item in documents if read.group(item) == _FLAGGER)
    return next((item for item in watching if _follows(item, "Canary", "targetRef", workload)), None)


def _follows(document: Any, kind: str, key: str, workload: Any) -> bool:
    """Whether an object of a kind refers to a workload."""
    reference = mapping(document, "spec", key)
    named = (reference.get("kind"), reference.get("name"))
    return read.kind(document) == kind and named == (read.kind(workload), read.name(workload))


def _rollout(rollout: Any) -> str:
    """Return what a Rollout does with a new image."""
    who = f"to the Rollout {read.name(rollout)}"
    green = read.follow(rollout, ("spec", "strategy", "blueGreen"))
    if green is not None:
        waits = not read.switch(green, ("autoPromotionEnabled",), True)
        return f"{who}, which " + (
            "previews it without traffic until it is promoted there" if waits else "switches all traffic once it runs"
        )
    steps = read.items(read.follow(rollout, ("spec", "strategy", "canary", "steps")))
    if not steps:
        return f"{who}, which has no steps and replaces the pods one by one"
    first = mapping(steps[0]).get("setWeight")
    if first is None:
        return f"{who}, whose first step ({', '.join(map(str, mapping(steps[0])))}) sets no weight"
    split = mapping(rollout, "spec", "strategy", "canary", "trafficRouting")
    approximately = "" if split else ", as nearly as its replicas allow"
    return f"{who}, whose first step is {first} % of the traffic{approximately}"


def _flagger(canary: Mapping[str, Any]) -> str:
    """Return what Flagger does with a new image."""
    who = f"to Flagger's Canary {read.name(canary)}"
    analysis = mapping(canary, "spec", "analysis") or mapping(canary, "spec", "canaryAnalysis")
    if read.switch(canary, ("spec", "skipAnalysis"), False):
        return f"{who}, which skips its analysis and gives it all of the traffic"
    first = next(iter(read.items(analysis.get("stepWeights"))), analysis.get("stepWeight"))
    if first is None:
        return f"{who}, which tests it before it switches the traffic"
    return f"{who}, whose first step is {first} % of the traffic"
