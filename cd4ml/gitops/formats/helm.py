"""Helm values of the chart `model-server`: `image.repository`, `image.digest`, `canary.enabled`, `canary.image.digest`
and `canary.weight`; in a values file, below a key of an umbrella chart's, in Flux's HelmRelease, in Argo CD's
Application.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.gitops import read
from cd4ml.gitops.application import Application, Served, Weight
from cd4ml.gitops.edit import Path, mapping, shown
from cd4ml.gitops.traffic import ByReplicas, Noted, Problem, Traffic, Weighted

SHAPE: Final = "Helm values file (image.digest)"
CHART: Final = "model-server"
# The chart's own values and defaults, as far as they decide on traffic; a test compares them with the chart.
KEYS: Final = frozenset(
    "affinity autoscaling canary enabled env envFrom extraVolumeMounts extraVolumes fullnameOverride global httpRoute "
    "image imagePullSecrets ingress metrics nameOverride networkPolicy nodeSelector podAnnotations podDisruptionBudget "
    "podLabels podSecurityContext preStopSeconds priorityClassName replicas resources rollout runtimeClassName "
    "securityContext service serviceAccount shadow startupPath startupSeconds terminationGracePeriodSeconds "
    "tolerations topologySpreadConstraints".split()
)
IMAGE_KEYS: Final = frozenset(("repository", "digest", "pullPolicy"))
CANARY_KEYS: Final = frozenset(("enabled", "image", "weight", "replicas"))
REPLICAS: Final = 2
ENGINE: Final = "none"
CANARY_REPLICAS: Final = 1
FEWEST_REPLICAS: Final = 2
# Values that decide which image gets which traffic.
_DECIDING: Final = (
    r"(enabled|replicas|replicaCount|httpRoute\.enabled|rollout\.engine|autoscaling\..+|canary\..+"
    r"|image\.(registry|repository|digest|tag))"
)
PLACE: Final = "canary.enabled, canary.image.digest and canary.weight"


def find(documents: Sequence[Any]) -> list[Application]:
    """Return the applications whose values stand in the documents."""
    found = [(index, path) for index, document in enumerate(documents) for path in _below(document, ())]
    # A subchart may set a digest and leave the repository to its defaults; that is an image of somebody else's.
    named = [(index, path) for index, path in found if _repository(read.follow(documents[index], path))]
    if found and not named:
        where = shown((*found[0][1], "image", "repository"))
        raise OptionsError(f"the Helm values file has no `{where}`", advice="Add the image's name without tag.")
    return [
        Application(
            name=shown(path),
            repositories=(_repository(read.follow(documents[index], path)),),
            marked="canary" in read.follow(documents[index], path),
            pinned=bool(read.text(read.follow(documents[index], path), "image", "digest")),
            served=partial(_served, index, path, documents[index]),
        )
        for index, path in named
    ]


def lacking(documents: Sequence[Any]) -> Problem | None:
    """Return what a file needs that holds an image's repository without a digest, or values that cannot be read."""
    for document in documents:
        for source in [mapping(document, "spec", "source"), *read.items(mapping(document, "spec").get("sources"))]:
            if read.text(source, "helm", "values"):
                words = (
                    "the values of this Application are one string (helm.values), in which single values cannot be set"
                )
                return Problem(words=words, advice="Write them as helm.valuesObject.")
        for path in _below(document, (), key="repository"):
            where = shown((*path, "image", "digest"))
            words = f"the values have `{shown((*path, 'image', 'repository'))}` and no `{where}`"
            return Problem(words=words, advice=f'Add {where}: "".')
        for path in _below(document, (), key="<<"):
            words = f"`{shown((*path, 'image'))}` may get its digest through a merge key"
            return Problem(words=words, advice="Write it out in the manifest.")
    return None


def _below(data: Any, path: Path, key: str = "digest") -> Iterator[Path]:
    """Yield the way to every mapping of values whose image has a key, down to the values of subcharts."""
    if isinstance(data, Mapping):
        image = mapping(data, "image")
        if key in image and _holds_values(path):
            yield path
        for name, item in data.items():
            # A canary's own image belongs to the application around it.
            if isinstance(name, str) and not (name == "canary" and image):
                yield from _below(item, (*path, name), key)
    elif isinstance(data, list):
        for number, item in enumerate(data):
            yield from _below(item, (*path, number), key)


def _holds_values(path: Path) -> bool:
    """Whether values stand at a path: everywhere in a values file, below one key in Kubernetes objects."""
    return path[:1] != ("spec",) or "valuesObject" in path or path[:2] == ("spec", "values")


def _served(index: int, path: Path, document: Any) -> Served:
    """Return the application whose values stand at a path."""
    values = read.follow(document, path)
    canary, ours = mapping(values, "canary"), _is_ours(values, path, document)
    complete = "digest" in mapping(canary, "image") and "weight" in canary
    return Served(
        kind=_kind(document),
        name=shown(path),
        repositories=(_repository(values),),
        stable=((index, (*path, "image", "digest")),),
        canary=((index, (*path, "canary", "image", "digest")),) if complete else (),
        switched=True,
        enabled=(index, (*path, "canary", "enabled")) if "enabled" in canary else None,
        weights=(Weight(place=(index, (*path, "canary", "weight")), canary=True),) if complete else (),
        tag=read.text(values, "image", "tag"),
        place_for_canary=PLACE if ours else f"{PLACE}, if its chart knows them",
        traffic=_traffic(values) if ours else Noted(who="the chart"),
        engine=_engine(values) if ours else None,
        against=_suspended(document) or _overridden(document, path) or _nothing_runs(values, path, ours),
        against_canary=_no_canary_runs(canary, path) if complete else None,
    )


def _kind(document: Any) -> str:
    """Return what the file is, for messages."""
    return read.kind(document) if read.kind(document) and read.group(document) else "Helm values file"


def _repository(values: Mapping[str, Any]) -> str:
    """Return the image's repository, empty if none is named; some charts write its registry apart."""
    registry, repository = read.text(values, "image", "registry"), read.text(values, "image", "repository")
    return f"{registry}/{repository}" if registry and repository else repository


def _engine(values: Mapping[str, Any]) -> str | None:
    """Return what moves the canary's share in our chart, None if the weights that are written do."""
    engine = read.text(values, "rollout", "engine") or ENGINE
    return None if engine == ENGINE else f"{engine} (rollout.engine)"


def _traffic(values: Mapping[str, Any]) -> Traffic:
    """Return what gives the canary its share in our chart."""
    engine = _engine(values)
    if engine:
        return Noted(who=f"the steps of {engine}")
    if read.switch(values, ("httpRoute", "enabled"), True):
        return Weighted()
    scaled = read.switch(values, ("autoscaling", "enabled"), False)
    fewest = read.count(values, ("autoscaling", "minReplicas"), FEWEST_REPLICAS)
    return ByReplicas(
        canary=read.count(values, ("canary", "replicas"), CANARY_REPLICAS),
        stable=fewest if scaled else read.count(values, ("replicas",), REPLICAS),
        scaled=scaled,
        advice="Set httpRoute.enabled: true",
    )


def _is_ours(values: Mapping[str, Any], path: Path, document: Any) -> bool:
    """Whether the values are of the chart that we know, as far as the file says."""
    known = ((KEYS, values), (IMAGE_KEYS, mapping(values, "image")), (CANARY_KEYS, mapping(values, "canary")))
    if not all(keys.issuperset(found) for keys, found in known):
        return False
    chart = ""
    if path == ("spec", "values"):
        chart = read.text(document, "spec", "chart", "spec", "chart")
    elif path[-2:] == ("helm", "valuesObject"):
        source = read.follow(document, path[:-2])
        chart = read.text(source, "chart") or read.text(source, "path")
    return not chart or chart.rstrip("/").rpartition("/")[2] == CHART


def _suspended(document: Any) -> Problem | None:
    """Return why a controller would not look at the file."""
    if read.kind(document) == "HelmRelease" and read.switch(document, ("spec", "suspend"), False):
        words = f"the HelmRelease {read.name(document)} is suspended: Flux would install nothing"
        return Problem(words=words, advice="Set spec.suspend: false.")
    return None


def _overridden(document: Any, path: Path) -> Problem | None:
    """Return why the values that are written would not count: Argo CD's parameters go before them."""
    if "valuesObject" not in path:
        return None
    source = path[: path.index("valuesObject")]
    below = "".join(f"{step}." for step in path[len(source) + 1 :])
    for key in ("parameters", "fileParameters"):
        for parameter in read.items(read.follow(document, (*source, key))):
            named = read.text(parameter, "name")
            if re.fullmatch(re.escape(below) + _DECIDING, named):
                words = f"`{shown((*source, key))}` sets {named}, which takes precedence over the values"
                return Problem(words=words, advice="Remove that parameter.")
    return None


def _nothing_runs(values: Mapping[str, Any], path: Path, ours: bool) -> Problem | None:
    """Return why no pod would run at all."""
    if "enabled" in values and not read.switch(values, ("enabled",), True):
        where = shown((*path, "enabled"))
        return Problem(words=f"`{where}` is false: nothing in this chart runs", advice=f"Set {where}: true.")
    scaled = read.switch(values, ("autoscaling", "enabled"), False)
    for key in _replicas(scaled, ours):
        if read.follow(values, key) is not None and read.count(values, key, 1) == 0:
            where = shown((*path, *key))
            return Problem(words=f"`{where}` is 0: nothing would serve", advice=f"Set {where} to 1 or more.")
    return None


def _replicas(scaled: bool, ours: bool) -> list[Path]:
    """Return the values that keep pods from running if they are 0; our chart takes no 0 at all."""
    if ours:
        return [("replicas",), ("canary", "replicas"), ("autoscaling", "minReplicas")]
    return [("autoscaling", "minReplicas")] if scaled else [("replicas",), ("replicaCount",)]


def _no_canary_runs(canary: Mapping[str, Any], path: Path) -> Problem | None:
    """Return why the canary would not run although it has its image and weight."""
    if "enabled" not in canary:
        where = shown((*path, "canary", "enabled"))
        words = f"`{where}` is missing, and its default is false: no canary would run"
        return Problem(words=words, advice=f"Add {where}: false; deploy-model switches it on.")
    where = shown((*path, "canary", "replicas"))
    if read.count(canary, ("replicas",), 1) == 0:
        return Problem(words=f"`{where}` is 0: no canary would run", advice=f"Set {where} to 1 or more.")
    return None
