"""Where a manifest keeps the stable image, the canary's image and the canary's weight, in three formats.

- Helm values (the chart `model-server`): `image.repository`, `image.digest`, `canary.enabled`,
  `canary.image.digest`, `canary.weight`.
- kustomization: an entry of `images` (its `digest`), another whose name ends in `-canary`, and the weight in
  `commonAnnotations` under `cd4ml.io/canary-weight`.
- plain manifests: a Deployment, another whose name ends in `-canary`, and the weight in an HTTPRoute whose backend
  names end likewise, or in the canary's annotation `cd4ml.io/canary-weight`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.gitops.edit import Edit, Path, apply, documents, mapping, shown, value
from cd4ml.image.reference import parse, repository_of

ANNOTATION: Final = "cd4ml.io/canary-weight"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# OCI distribution: name components; a registry with an optional port comes first.
_REPOSITORY: Final = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by digest."""

    repository: str
    digest: str

    def __str__(self) -> str:
        """Return the reference."""
        return f"{self.repository}@{self.digest}"


def image(reference: str) -> Image:
    """Read `repository@sha256:…`; a tag is no identity and is refused.

    Raises:
        OptionsError: the reference is of another form.
    """
    repository, separator, digest = reference.partition("@")
    if not separator or not _DIGEST.fullmatch(digest) or not _REPOSITORY.fullmatch(repository):
        raise OptionsError(f"image {reference!r} is not of the form repository@sha256:<64 hexadecimal digits>")
    return Image(repository=repository, digest=digest)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the values stand: document and path of each; None where the format of this file has no place for it.

    Attributes:
        whole_reference: whether an image's place holds `repository@digest` rather than the digest alone.
        repository: the repository that the manifest names, None if places hold whole references.
        tag: the tag that counts as long as no digest is set, None if there is none.
    """

    kind: str
    stable: tuple[int, Path]
    canary: tuple[int, Path] | None
    enabled: tuple[int, Path] | None
    weights: tuple[tuple[int, Path, bool], ...]
    whole_reference: bool
    repository: str | None
    tag: str | None = None


@dataclass(frozen=True, kw_only=True)
class State:
    """What a manifest says now; digests are None where nothing is deployed."""

    stable: str | None
    canary: str | None
    weight: int


class Manifest:
    """A manifest that has been read."""

    def __init__(self, text: str) -> None:
        """Read the text and find out its format."""
        self.text = text
        self._data = [value(root) for root in documents(text)]
        self.places = _places(self._data)

    @property
    def state(self) -> State:
        """The digests and the weight that the manifest holds."""
        canary = self._digest(self.places.canary) if self.places.canary else None
        enabled = self.places.enabled is None or self._switch(*self.places.enabled)
        weights = [self._percent(document, path) for document, path, is_canary in self.places.weights if is_canary]
        # Rules that somebody set apart by hand: the canary runs as long as one of them sends it anything.
        weight = max(weights) if weights and canary and enabled else 0
        return State(stable=self._digest(self.places.stable), canary=canary if enabled else None, weight=weight)

    @property
    def stable(self) -> str | None:
        """The stable image as the manifest names it now: by digest, or by a tag; None if there is none."""
        text = str(self._at(*self.places.stable)).strip()
        if self.places.whole_reference:
            return text or None
        if _DIGEST.fullmatch(text):
            return f"{self.places.repository}@{text}"
        return f"{self.places.repository}:{self.places.tag}" if self.places.tag else None

    def with_canary(self, new: Image, weight: int) -> str:
        """Return the text with the image as canary of this weight in percent."""
        self._check_repository(new.repository)
        first = str(self._at(*self.places.stable)).strip() in ("", "null", "None")
        if first and weight < 100:
            raise OptionsError(
                f"this {self.places.kind} has no stable image: `{shown(self.places.stable[1])}` is empty, and nothing "
                f"would answer what the canary does not get",
                advice="Set canary-weight: 100 for the first deployment.",
            )
        if first or self.places.canary is None or not self.places.weights:
            if weight == 100:
                return apply(self.text, [self._image_edit(self.places.stable, new)])
            raise OptionsError(
                f"this {self.places.kind} has no place for a canary",
                advice=f"Add one ({_WHERE[self.places.kind]}), or set canary-weight: 100 to replace the image at once.",
            )
        return apply(self.text, [self._image_edit(self.places.canary, new), *self._weight_edits(weight, enabled=True)])

    def promoted(self, new: Image) -> str:
        """Return the text with the image as the stable one and no canary."""
        self._check_repository(new.repository)
        edits = [self._image_edit(self.places.stable, new)]
        if self.places.weights:
            edits += self._weight_edits(0, enabled=False)
        return apply(self.text, edits)

    def restored(self, reference: str) -> str:
        """Return the text with an earlier stable image in its place, by digest or by tag, and no canary.

        Raises:
            OptionsError: it was named by a tag that the manifest does not hold any more.
        """
        earlier = parse(reference, "the earlier image")
        self._check_repository(earlier.name)
        if not self.places.whole_reference and earlier.digest is None and earlier.tag != self.places.tag:
            raise OptionsError(
                f"{reference} ran before, but the tag in the {self.places.kind} is now {self.places.tag!r}",
                advice="Set the tag by hand, and empty the digest.",
            )
        document, path = self.places.stable
        written = reference if self.places.whole_reference else earlier.digest or ""
        edits = [Edit(document=document, path=path, value=written)]
        if self.places.weights:
            edits += self._weight_edits(0, enabled=False)
        return apply(self.text, edits)

    def without_canary(self) -> str:
        """Return the text with the canary switched off."""
        return apply(self.text, self._weight_edits(0, enabled=False))

    def _at(self, document: int, path: Path) -> Any:
        """Return the text at a place, None if nothing stands there."""
        return _follow(self._data[document], path)

    def _switch(self, document: int, path: Path) -> bool:
        """Return whether the canary is on; Helm takes `yes` and `on` for true, YAML 1.2 does not."""
        text = str(self._at(document, path))
        if text not in ("true", "True", "TRUE", "false", "False", "FALSE"):
            raise OptionsError(f"`{shown(path)}` must be true or false, found {text!r}")
        return text.lower() == "true"

    def _percent(self, document: int, path: Path) -> int:
        """Return the weight at a place."""
        text = str(self._at(document, path))
        # With a leading zero Helm reads it in base 8.
        if not re.fullmatch(r"0|[1-9][0-9]{0,2}", text) or int(text) > 100:
            raise OptionsError(f"`{shown(path)}` must be a whole number from 0 to 100, found {text!r}")
        return int(text)

    def _digest(self, place: tuple[int, Path]) -> str | None:
        """Return the digest at a place."""
        text = str(self._at(*place)).rpartition("@")[2]
        return text if _DIGEST.fullmatch(text) else None

    def _image_edit(self, place: tuple[int, Path], new: Image) -> Edit:
        """Return the edit that puts an image into a place."""
        return Edit(document=place[0], path=place[1], value=str(new) if self.places.whole_reference else new.digest)

    def _weight_edits(self, weight: int, *, enabled: bool) -> list[Edit]:
        """Return the edits that set the canary's weight, and what is left for the stable one."""
        edits = [
            Edit(document=document, path=path, value=weight if is_canary else 100 - weight)
            for document, path, is_canary in self.places.weights
        ]
        if self.places.enabled:
            edits.append(Edit(document=self.places.enabled[0], path=self.places.enabled[1], value=enabled))
        return edits

    def _check_repository(self, repository: str) -> None:
        """Refuse an image of another repository than the manifest names."""
        named = self.places.repository
        if named is not None and repository_of(named) != repository_of(repository):
            raise OptionsError(
                f"the manifest serves {named!r}, the image is of {repository!r}",
                advice="They may be of different models. If one mirrors the other, set image to the mirror's name and "
                "the same digest.",
            )


_WHERE: Final = {
    "Helm values file": "canary.enabled, canary.image.digest and canary.weight",
    "kustomization": f"an images entry whose name ends in -canary, and commonAnnotations {ANNOTATION}",
    "plain manifest": f"a Deployment whose name ends in -canary, and an HTTPRoute or the annotation {ANNOTATION}",
}


def _places(data: list[Any]) -> Places:
    """Find out the format and where its values stand."""
    first = data[0] if data else None
    if isinstance(first, Mapping) and isinstance(first.get("images"), list):
        return _kustomization(first)
    if isinstance(first, Mapping) and "digest" in mapping(first, "image"):
        return _helm_values(first)
    deployments = [
        (index, item) for index, item in enumerate(data) if mapping(item).get("kind") in ("Deployment", "Rollout")
    ]
    if deployments:
        return _plain_manifest(data, deployments)
    raise OptionsError(
        "the manifest is neither a Helm values file (image.digest), nor a kustomization (images), nor a Deployment",
        advice="docs/stages/deploy-model.md shows what to start from.",
    )


def _helm_values(data: Mapping[str, Any]) -> Places:
    """Return the places of a Helm values file."""
    repository = mapping(data, "image").get("repository")
    if not isinstance(repository, str) or not repository:
        raise OptionsError("the Helm values file has no `image.repository`", advice="Add the image's name without tag.")
    canary = mapping(data, "canary")
    complete = "digest" in mapping(canary, "image") and "weight" in canary
    return Places(
        kind="Helm values file",
        stable=(0, ("image", "digest")),
        canary=(0, ("canary", "image", "digest")) if complete else None,
        enabled=(0, ("canary", "enabled")) if "enabled" in canary else None,
        weights=((0, ("canary", "weight"), True),) if complete else (),
        whole_reference=False,
        repository=repository,
        tag=_tag(mapping(data, "image").get("tag")),
    )


def _tag(text: Any) -> str | None:
    """Return the tag that stands in a manifest, None where nothing does."""
    return None if text in (None, "", "null", "~") else str(text)


def _kustomization(data: Mapping[str, Any]) -> Places:
    """Return the places of a kustomization."""
    entries = [(index, mapping(entry)) for index, entry in enumerate(data["images"])]
    canaries = [index for index, entry in entries if str(entry.get("name", "")).endswith("-canary")]
    stables = [index for index, entry in entries if index not in canaries]
    if len(stables) != 1 or len(canaries) > 1:
        raise OptionsError("the kustomization must have one entry of images, and at most one more that ends in -canary")
    stable = dict(entries)[stables[0]]
    weighted = ANNOTATION in mapping(data, "commonAnnotations")
    return Places(
        kind="kustomization",
        stable=(0, ("images", stables[0], "digest")),
        canary=(0, ("images", canaries[0], "digest")) if canaries else None,
        enabled=None,
        weights=((0, ("commonAnnotations", ANNOTATION), True),) if weighted else (),
        whole_reference=False,
        repository=str(stable.get("newName") or stable.get("name")),
        tag=_tag(stable.get("newTag")),
    )


def _plain_manifest(data: list[Any], deployments: list[tuple[int, Any]]) -> Places:
    """Return the places of Kubernetes manifests in one file."""
    names = {index: str(mapping(item, "metadata").get("name", "")) for index, item in deployments}
    canaries = [index for index, name in names.items() if name.endswith("-canary")]
    stables = [index for index in names if index not in canaries]
    if len(stables) != 1 or len(canaries) > 1:
        raise OptionsError("the manifest must have one Deployment, and at most one more whose name ends in -canary")
    weights = [weight for index, item in enumerate(data) for weight in _route_weights(index, item)]
    if canaries and not weights and ANNOTATION in mapping(data[canaries[0]], "metadata", "annotations"):
        weights = [(canaries[0], ("metadata", "annotations", ANNOTATION), True)]
    return Places(
        kind="plain manifest",
        stable=(stables[0], _container_image(data[stables[0]])),
        canary=(canaries[0], _container_image(data[canaries[0]])) if canaries else None,
        enabled=None,
        weights=tuple(weights),
        whole_reference=True,
        repository=_without_tag(_follow(data[stables[0]], _container_image(data[stables[0]]))),
    )


def _container_image(deployment: Any) -> Path:
    """Return the path of the model server's image: the only container, or the one named `model`."""
    path: Path = ("spec", "template", "spec", "containers")
    containers = mapping(deployment, "spec", "template", "spec").get("containers")
    listed = containers if isinstance(containers, list) else []
    named = [
        index for index, container in enumerate(listed) if mapping(container).get("name") in ("model", "model-server")
    ]
    if len(listed) == 1:
        named = [0]
    if len(named) != 1:
        raise OptionsError(f"`{shown(path)}` must have one container, or one that is named model-server")
    return (*path, named[0], "image")


def _without_tag(reference: Any) -> str:
    """Return the repository of a reference, which may still have a tag."""
    return re.sub(r":[^/:]*$", "", str(reference).partition("@")[0])


def _follow(data: Any, path: Path) -> Any:
    """Return what stands at a path, None if nothing does."""
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _route_weights(document: int, item: Any) -> list[tuple[int, Path, bool]]:
    """Return the places of the weights in the rules of an HTTPRoute that split traffic with a canary."""
    if mapping(item).get("kind") != "HTTPRoute":
        return []
    places: list[tuple[int, Path, bool]] = []
    for number, rule in enumerate(_items(mapping(item, "spec").get("rules"))):
        backends = [mapping(backend) for backend in _items(mapping(rule).get("backendRefs"))]
        canaries = [str(backend.get("name", "")).endswith("-canary") for backend in backends]
        if not any(canaries):
            continue
        path: Path = ("spec", "rules", number, "backendRefs")
        if sorted(canaries) != [False, True]:
            raise OptionsError(f"`{shown(path)}` must have two backends: the stable one, and one that ends in -canary")
        if not all("weight" in backend for backend in backends):
            raise OptionsError(f"`{shown(path)}` has a backend without weight", advice="Write both: 100 and 0.")
        places += [(document, (*path, position, "weight"), canary) for position, canary in enumerate(canaries)]
    return places


def _items(data: Any) -> list[Any]:
    """Return a list's items, none if it is no list."""
    return data if isinstance(data, list) else []
