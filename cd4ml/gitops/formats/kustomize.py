"""Kustomizations: an entry of `images` whose `newName` or `name` is the repository, another that is named like it with
`-canary`, and the weight in `commonAnnotations` under `cd4ml.io/canary-weight`. Flux's Kustomization has `spec.images`.

An annotation is a note: whether traffic follows it, the resources decide. So a canary ends by getting the stable
image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from cd4ml.gitops import read
from cd4ml.gitops.application import Application, Served, Weight
from cd4ml.gitops.edit import Path, mapping
from cd4ml.gitops.traffic import Noted, Problem

SHAPE: Final = "kustomization (images)"
ANNOTATION: Final = "cd4ml.io/canary-weight"
PLACE: Final = f"an images entry whose name ends in -canary, and commonAnnotations {ANNOTATION}"
_FLUX: Final = "kustomize.toolkit.fluxcd.io"


def find(documents: Sequence[Any]) -> list[Application]:
    """Return the applications whose images the kustomizations set."""
    return [
        application
        for index, document in enumerate(documents)
        for path in (("images",), ("spec", "images"))
        if isinstance(read.follow(document, path), list) and _is_kustomization(document, path)
        for application in _applications(index, path, document)
    ]


def lacking(documents: Sequence[Any]) -> Problem | None:
    """Return None: a kustomization without images may leave them to another file."""
    return None


def _is_kustomization(document: Mapping[str, Any], path: Path) -> bool:
    """Whether images at a path are kustomize's; a kustomization may leave out what kind it is."""
    if path[0] == "spec":
        return read.kind(document) == "Kustomization" and read.group(document) == _FLUX
    return read.kind(document) in ("", "Kustomization", "Component")


def _applications(index: int, path: Path, document: Any) -> list[Application]:
    """Return one application for each entry, the canary's entry with the one that it belongs to."""
    entries = [(number, mapping(entry)) for number, entry in enumerate(read.items(read.follow(document, path)))]
    names = {read.text(entry, "name"): number for number, entry in entries}
    canaries = {name: names[f"{name}-canary"] for name in names if name and f"{name}-canary" in names}
    return [
        Application(
            name=read.text(entry, "name"),
            repositories=_repositories(entry),
            marked=read.text(entry, "name") in canaries,
            pinned=bool(read.text(entry, "digest")),
            served=partial(_served, index, (*path, number), canaries.get(read.text(entry, "name")), document),
        )
        for number, entry in entries
        if read.text(entry, "name") and number not in canaries.values()
    ]


def _served(index: int, path: Path, canary: int | None, document: Any) -> Served:
    """Return the application of an entry."""
    entry = read.follow(document, path)
    named = read.text(entry, "name")
    flux: Path = ("spec", "commonMetadata", "annotations", ANNOTATION)
    note: Path = flux if path[0] == "spec" else ("commonAnnotations", ANNOTATION)
    noted = read.follow(document, note) is not None
    return Served(
        kind="kustomization",
        name=named,
        repositories=_repositories(entry),
        stable=((index, (*path, "digest")),),
        canary=((index, (*path[:-1], canary, "digest")),) if canary is not None and noted else (),
        weights=(Weight(place=(index, note), canary=True),) if noted and canary is not None else (),
        tag=read.text(entry, "newTag"),
        place_for_canary=PLACE,
        traffic=Noted(who="the resources of the kustomization"),
        resets=True,
        against=_suspended(document) or _scaled_to_zero(document, path[:-2], named),
        against_canary=_scaled_to_zero(document, path[:-2], f"{named}-canary")
        or (_other_repository(entry, read.follow(document, (*path[:-1], canary))) if canary is not None else None),
    )


def _repositories(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of an entry's repository: what is pulled, and what the resources call it."""
    return tuple(filter(None, (read.text(entry, "newName"), read.text(entry, "name"))))


def _other_repository(stable: Mapping[str, Any], canary: Mapping[str, Any]) -> Problem | None:
    """Return why the canary's entry would pull something else: it is named apart, and must say where the image is."""
    wanted, found = (read.text(entry, "newName") or read.text(entry, "name") for entry in (stable, canary))
    if wanted == found:
        return None
    words = f"the images entry {read.text(canary, 'name')} pulls {found}, the stable one {wanted}"
    return Problem(words=words, advice=f"Set its newName: {wanted}.")


def _suspended(document: Any) -> Problem | None:
    """Return why Flux would not look at the file."""
    if read.group(document) == _FLUX and read.switch(document, ("spec", "suspend"), False):
        words = f"the Kustomization {read.name(document)} is suspended: Flux would apply nothing"
        return Problem(words=words, advice="Set spec.suspend: false.")
    return None


def _scaled_to_zero(document: Any, path: Path, image: str) -> Problem | None:
    """Return why nothing would run: `replicas` sets the Deployment that is named like the image to none."""
    for entry in read.items(read.follow(document, (*path, "replicas"))):
        if read.text(entry, "name") == image.rpartition("/")[2] and read.count(entry, ("count",), 1) == 0:
            words = f"`replicas` sets {read.text(entry, 'name')} to 0: no pod would run the image"
            return Problem(words=words, advice="Set its count to 1 or more.")
    return None
