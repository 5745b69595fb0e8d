"""KServe's InferenceService: one image, of which KServe keeps the revision that had all of the traffic last, and
`spec.predictor.canaryTrafficPercent`, what the newest revision gets beside it.

The file itself does not say which image that kept revision runs, so the annotation `cd4ml.io/stable-image` does.
https://kserve.github.io/website/docs/model-serving/predictive-inference/rollout-strategies/canary
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from cd4ml.gitops import read
from cd4ml.gitops.application import Application, Served, Weight
from cd4ml.gitops.edit import Path, mapping
from cd4ml.gitops.traffic import Noted, Problem, Traffic, Weighted

SHAPE: Final = "KServe InferenceService (spec.predictor)"
ANNOTATION: Final = "cd4ml.io/stable-image"
PLACE: Final = f'metadata.annotations {ANNOTATION}: "" and spec.predictor.canaryTrafficPercent: 100'
ALL: Final = 100  # percent with which KServe takes the newest revision for rolled out
_GROUP: Final = "serving.kserve.io"
_NOTE: Final[Path] = ("metadata", "annotations", ANNOTATION)
_MODE: Final = f"{_GROUP}/deploymentMode"
_STOP: Final = f"{_GROUP}/stop"
_PREDICTOR: Final[Path] = ("spec", "predictor")
_PERCENT: Final[Path] = (*_PREDICTOR, "canaryTrafficPercent")
_NAMES: Final = ("kserve-container", "model")
# Knative keeps revisions; under the others KServe runs a Deployment and ignores the percentage.
_KNATIVE: Final = ("Knative", "Serverless")


def find(documents: Sequence[Any]) -> list[Application]:
    """Return the applications of the InferenceServices: one for each image of a predictor's containers."""
    return [
        Application(
            name=_full_name(document),
            repositories=(read.without_tag(image),),
            marked=_named(document, image),
            pinned="@sha256:" in image,
            served=partial(_served, index, document, image),
        )
        for index, document in enumerate(documents)
        if read.kind(document) == "InferenceService" and read.group(document) == _GROUP
        for image in sorted({str(read.follow(document, path) or "") for path in _places(document)} - {""})
    ]


def lacking(documents: Sequence[Any]) -> Problem | None:
    """Return what an InferenceService needs whose image KServe's runtimes choose."""
    for document in documents:
        if read.kind(document) == "InferenceService" and read.group(document) == _GROUP:
            words = f"the InferenceService {read.name(document)} names no image in spec.predictor"
            return Problem(words=words, advice="Name it at spec.predictor.containers[0].image.")
    return None


def _places(document: Any) -> Iterator[Path]:
    """Yield where a predictor names images; a container that prepares the pod moves along."""
    if read.text(document, "spec", "predictor", "model", "image"):
        yield (*_PREDICTOR, "model", "image")
    for key in ("containers", "initContainers"):
        for number, _ in enumerate(read.items(read.follow(document, (*_PREDICTOR, key)))):
            yield (*_PREDICTOR, key, number, "image")


def _named(document: Any, image: str) -> bool:
    """Whether an image is the one that KServe sends requests to."""
    containers = read.items(read.follow(document, (*_PREDICTOR, "containers")))
    mine = [mapping(item) for item in containers if read.text(item, "image") == image]
    return read.text(mapping(document, "spec", "predictor", "model"), "image") == image or any(
        item.get("name") in _NAMES for item in mine
    )


def _full_name(document: Any) -> str:
    """Return an object's name, after its namespace if the file has one."""
    return "/".join(filter(None, (read.namespace(document), read.name(document))))


def _served(index: int, document: Any, image: str) -> Served:
    """Return the application of an InferenceService."""
    images = tuple((index, path) for path in _places(document) if read.follow(document, path) == image)
    noted, split = (read.follow(document, path) is not None for path in (_NOTE, _PERCENT))
    note = ((index, _NOTE),) if noted else ()
    return Served(
        kind="InferenceService",
        name=_full_name(document),
        repositories=(read.without_tag(image),),
        stable=note if noted and split else (*images, *note),
        canary=images if noted and split else (),
        weights=(Weight(place=(index, _PERCENT), canary=True),) if noted and split else (),
        whole_reference=True,
        place_for_canary=PLACE,
        traffic=_traffic(document),
        resets=True,
        full_weight=ALL if noted and split else 0,
        against=_stopped(document) or (_unnoted(document) if split and not noted else None),
        against_canary=_no_revisions(document),
    )


def _traffic(document: Any) -> Traffic:
    """Return what gives the canary its share."""
    return Weighted() if _mode(document) else Noted(who=f"KServe: the cluster's default decides, without {_MODE}")


def _mode(document: Any) -> str:
    """Return how KServe runs the predictor; empty where the cluster's default says it."""
    return read.text(document, "metadata", "annotations", _MODE)


def _no_revisions(document: Any) -> Problem | None:
    """Return why KServe would not split the traffic."""
    if _mode(document) in ("", *_KNATIVE):
        return None
    words = f"KServe splits no traffic in the deployment mode {_mode(document)}: canaryTrafficPercent would be ignored"
    return Problem(words=words, advice="Set canary-weight: 100, or serve it in the mode Knative.")


def _stopped(document: Any) -> Problem | None:
    """Return why nothing would run."""
    if read.text(document, "metadata", "annotations", _STOP).lower() != "true":
        return None
    words = f"the InferenceService {read.name(document)} is stopped ({_STOP})"
    return Problem(words=words, advice="Remove that annotation.")


def _unnoted(document: Any) -> Problem | None:
    """Return why nobody knows what the image gets: an earlier revision, of whatever image, gets the rest."""
    percent = read.text(document, "spec", "predictor", "canaryTrafficPercent")
    if percent == str(ALL):
        return None
    words = f"spec.predictor.canaryTrafficPercent is {percent}, and nothing says which image gets the rest"
    return Problem(words=words, advice=f"Add metadata.annotations {ANNOTATION} with that image, by digest.")
