"""Which application of a manifest is meant: by the image's repository or by name, never by how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cd4ml.errors import OptionsError
from cd4ml.gitops import read
from cd4ml.gitops.application import Application, Served
from cd4ml.gitops.formats import FORMATS
from cd4ml.image.reference import repository_of


def application(data: Sequence[Any], repository: str | None, part: str | None) -> Served:
    """Return the application that is meant.

    Args:
        data: the documents of the manifest.
        repository: of its image, None if that is not known.
        part: its name, if there is more than one of this repository.

    Raises:
        OptionsError: there is none, or more than one.
    """
    found = everything = _found(data)
    if part:
        named = [item for item in found if item.name == part] or [
            item for item in found if item.name.endswith((f".{part}", f"/{part}"))
        ]
        if not named:
            raise OptionsError(f"the manifest has no `{part}` with an image; it has {_names(found)}")
        found = named
    likely = _likely(found) if repository is None else _of(repository, found)
    if not likely:
        raise OptionsError(
            f"the manifest has no image of {repository!r}, only {_names(found)}",
            advice="Check manifest and image: they belong to different models.",
        )
    if len(likely) > 1:
        raise OptionsError(
            f"the manifest does not say which image is meant: it has {_names(likely)}",
            advice="Name one with manifest-path or image, or give each its own file.",
        )
    served = likely[0].served()
    alike = {
        item.name for item in everything if repository_of(item.repositories[0]) == repository_of(served.repositories[0])
    }
    others = frozenset(item.name for item in everything) - {served.name}
    return replace(served, among=served.among or len(alike) > 1, others=others)


def _of(repository: str, found: Sequence[Application]) -> list[Application]:
    """Return the applications whose image is of a repository; the only one, whatever its image, to name it."""
    wanted = repository_of(repository)
    pulled = [item for item in found if repository_of(item.repositories[0]) == wanted]
    called = [item for item in found if wanted in map(repository_of, item.repositories)]
    likely = pulled or called or list(found[:1] if len(found) == 1 else ())
    one_object = len({item.name for item in likely}) == 1
    return _likely(likely) if one_object else likely


def _likely(found: Sequence[Application]) -> list[Application]:
    """Return the applications that are marked as models, else those that a deployment may have written."""
    return [item for item in found if item.marked] or [item for item in found if item.pinned] or list(found)


def _found(data: Sequence[Any]) -> list[Application]:
    """Return the applications that the documents serve, in whatever format.

    Raises:
        OptionsError: there are none.
    """
    found = [application for format in FORMATS for application in format.find(data)]
    if not found:
        raise _unknown(data)
    return found


def _unknown(data: Sequence[Any]) -> OptionsError:
    """Return what is wrong with documents in which no format found an application."""
    for problem in (format.lacking(data) for format in FORMATS):
        if problem:
            return OptionsError(problem.words, advice=problem.advice)
    kinds = sorted({read.kind(document) for document in data} - {""})
    what = f"; it holds {', '.join(kinds[:10])}" if kinds else ""
    return OptionsError(
        f"the manifest is neither a {', nor a '.join(format.SHAPE for format in FORMATS)}{what}",
        advice="docs/stages/deploy-model.md shows what to start from.",
    )


def _names(found: Sequence[Application]) -> str:
    """Return what a manifest holds, for messages."""
    return ", ".join(f"{item.name or 'the whole file'} ({item.repositories[0]})" for item in found[:10])
