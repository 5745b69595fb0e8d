"""Which application of a manifest is meant: by the image's repository or by name, never by how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.gitops.formats import helm, kustomize, plain, whole
from cd4ml.gitops.formats.served import Format, Served
from cd4ml.image.reference import repository_of

FORMATS: Final[tuple[Format, ...]] = (kustomize.find, helm.find, plain.find)


def application(data: Sequence[Any], repository: str | None, part: str | None) -> Served:
    """Return the application that is meant.

    Args:
        data: the documents of the manifest.
        repository: of its image, None if that is not known.
        part: its name, if there is more than one of this repository.

    Raises:
        OptionsError: there is none, or more than one.
    """
    found = _found(data)
    if part:
        named = [served for served in found if served.name == part] or [
            served for served in found if served.name.endswith(f".{part}")
        ]
        if not named:
            raise OptionsError(f"the manifest has no `{part}` with an image; it has {_names(found)}")
        found = named
    likely = [served for served in found if served.preferred] or found
    if repository is not None:
        wanted = repository_of(repository)
        likely = (
            [served for served in found if repository_of(served.repositories[0]) == wanted]
            or [served for served in found if wanted in map(repository_of, served.repositories)]
            or (list(found) if len(found) == 1 else [])
        )
    if not likely:
        raise OptionsError(
            f"no image in the manifest is of {repository!r}: it has {_names(found)}",
            advice="Check manifest and image: they are of different models.",
        )
    if len(likely) > 1:
        raise OptionsError(
            f"the manifest does not say which image is meant: it has {_names(likely)}",
            advice="Name one with manifest-path, or give each a file of its own.",
        )
    return likely[0]


def _found(data: Sequence[Any]) -> list[Served]:
    """Return the applications that the documents serve, in whatever format.

    Raises:
        OptionsError: there are none.
    """
    found = [served for find in FORMATS for served in find(data)]
    if not found:
        whole.refuse_sealed(data)
        helm.refuse_text(data)
        raise OptionsError(
            "the manifest is neither a Helm values file (image.digest), nor a kustomization (images), nor a Deployment",
            advice="docs/stages/deploy-model.md shows what to start from.",
        )
    return found


def _names(found: Sequence[Served]) -> str:
    """Return what a manifest holds, for messages."""
    return ", ".join(f"{served.name or 'the whole file'} ({served.repositories[0]})" for served in found[:10])
