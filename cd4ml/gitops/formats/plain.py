"""Kubernetes objects in one file: a Deployment, StatefulSet or Rollout that runs the image, and its canary beside it.

The canary is the workload of the same image whose name is the stable one's with `-canary`. It gets its share by the
weights of a route, or, where a Service selects the pods of both, by replicas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cd4ml.gitops import read
from cd4ml.gitops.application import Application, Place, Served, Weight
from cd4ml.gitops.edit import Path, mapping
from cd4ml.gitops.kubernetes import rollout, routes
from cd4ml.gitops.kubernetes.pods import CANARY, STABLE, Pods
from cd4ml.gitops.kubernetes.scale import nothing_runs, scale
from cd4ml.gitops.traffic import ByReplicas, Divided, Problem, Traffic, Weighted
from cd4ml.image.reference import repository_of

WORKLOADS: Final = ("Deployment", "StatefulSet", "Rollout")
SHAPE: Final = f"{', '.join(WORKLOADS[:-1])} or {WORKLOADS[-1]}"
PLACE: Final = "a Deployment of the same image whose name ends in -canary, and a route with weights, such as HTTPRoute"
_NAMES: Final = ("model", "model-server")
_POD: Final[Path] = ("spec", "template", "spec")


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """A workload that runs an image.

    Attributes:
        places: every container and init container that has the very same image.
        named: whether a container's name says that it is the model server.
        pinned: whether the image is written by digest.
    """

    index: int
    name: str
    namespace: str
    repository: str
    places: tuple[Place, ...]
    named: bool
    pinned: bool

    @property
    def full_name(self) -> str:
        """The workload's name, after its namespace if the file has one."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def find(documents: Sequence[Any]) -> list[Application]:
    """Return the applications that the workloads of the documents run."""
    running = [found for index, document in enumerate(documents) for found in _images(index, document)]
    pairs = [(found, _canary(found, running)) for found in running]
    canaries = [canary for _, canary in pairs if canary]
    return [
        Application(
            name=stable.full_name,
            repositories=(stable.repository,),
            marked=stable.named or canary is not None,
            pinned=stable.pinned,
            served=partial(_served, stable, canary, documents),
        )
        for stable, canary in pairs
        if stable not in canaries
    ]


def lacking(documents: Sequence[Any]) -> Problem | None:
    """Return why nothing in the file can be set: what is in it is sealed."""
    if not any(read.kind(document) == "SealedSecret" for document in documents):
        return None
    words = "the manifest is a SealedSecret: only its sealer can change it"
    return Problem(words=words, advice="Name the file with the image.")


def _images(index: int, document: Any) -> Iterator[_Runs]:
    """Yield the images of a workload's containers, each image once."""
    if read.kind(document) not in WORKLOADS:
        return
    containers = read.items(read.follow(document, (*_POD, "containers")))
    images = {read.text(container, "image") for container in containers} - {""}
    for image in sorted(images):
        mine = [mapping(item) for item in containers if read.text(item, "image") == image]
        yield _Runs(
            index=index,
            name=read.name(document),
            namespace=read.namespace(document),
            repository=read.without_tag(image),
            places=tuple((index, path) for path in _places(document, image)),
            named=any(item.get("name") in _NAMES for item in mine),
            pinned="@sha256:" in image,
        )


def _places(document: Any, image: str) -> Iterator[Path]:
    """Yield where a workload names an image; a container that prepares the pod moves along."""
    for key in ("containers", "initContainers"):
        for number, container in enumerate(read.items(read.follow(document, (*_POD, key)))):
            if read.text(container, "image") == image:
                yield (*_POD, key, number, "image")


def _canary(stable: _Runs, running: Sequence[_Runs]) -> _Runs | None:
    """Return what runs the canary of a workload: it has the same image's repository, and the name with `-canary`."""
    wanted, image = stable.name.removesuffix(STABLE) + CANARY, repository_of(stable.repository)
    found = [
        other
        for other in running
        if other.name == wanted
        and _same_namespace(other.namespace, stable.namespace)
        and repository_of(other.repository) == image
    ]
    return max(found, key=lambda other: other.named, default=None)


def _same_namespace(one: str, other: str) -> bool:
    """Whether two objects may be in one namespace, which may be left to whoever applies the file."""
    return not one or not other or one == other


def _served(stable: _Runs, canary: _Runs | None, documents: Sequence[Any]) -> Served:
    """Return the application of a workload and its canary."""
    workload = documents[stable.index]
    beside = documents[canary.index] if canary else None
    # What stands in other namespaces concerns others; the rest keeps its position.
    near = [item if _same_namespace(read.namespace(item), stable.namespace) else None for item in documents]
    pods = Pods(stable=workload, canary=beside, documents=near)
    weights = routes.split(pods) if canary else []
    traffic = _traffic(pods, weights)
    return Served(
        kind="plain manifest",
        name=stable.full_name,
        repositories=(stable.repository,),
        stable=stable.places,
        canary=canary.places if canary and traffic else (),
        weights=tuple(weights),
        whole_reference=True,
        place_for_canary=PLACE,
        traffic=traffic or Weighted(),
        controller=rollout.controller(workload, near),
        resets=not weights,
        among=canary is not None and traffic is None,
        against=nothing_runs(workload, near),
        against_canary=_no_canary_serves(pods, traffic) if canary else None,
    )


def _no_canary_serves(pods: Pods, traffic: Traffic | None) -> Problem | None:
    """Return why a canary would answer nothing."""
    if traffic is None:
        words = (
            "this plain manifest has no place for a canary: no route in it splits traffic between "
            f"{read.name(pods.stable)} and {read.name(pods.canary)} by weight, and "
            + ("its routes bypass the Service that selects both" if pods.common else "no Service selects both")
        )
        return Problem(words=words, advice="Add a route with weights for both, or set canary-weight: 100.")
    return nothing_runs(pods.canary, pods.documents)


def _traffic(pods: Pods, weights: Sequence[Weight]) -> Traffic | None:
    """Return what gives each version its share, None if nothing in the file does."""
    if weights:
        return Weighted()
    if pods.canary is None:
        route = routes.divided(pods)
        return Divided(route=route, name=read.name(pods.stable)) if route else None
    if not pods.common or routes.pass_by(pods):
        return None
    mine, others = scale(pods.canary, pods.documents), scale(pods.stable, pods.documents)
    return ByReplicas(
        canary=mine.most,
        stable=others.fewest,
        scaled=mine.moves or others.moves,
        advice="Add a route with weights for both Services",
    )
