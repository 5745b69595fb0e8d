"""What an image's labels say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cd4ml.image.labels import BASE, BASE_DIGEST, MODEL, NAME, VERSION
from cd4ml.image.origin import REVISION, SOURCE
from cd4ml.report.trace import Topic
from cd4ml.tracing.records import Key, Record
from cd4ml.tracing.statements import repository
from cd4ml.tracing.subject import Ids


def said(labels: Mapping[str, Any], *, by: str = "", image: str | None = None) -> Record:
    """Return what labels say.

    Args:
        by: where they were read.
        image: digest of the image that has them.
    """
    found = {str(name): str(value) for name, value in labels.items() if value not in (None, "")}
    name, version = found.get(NAME), found.get(VERSION)
    values: dict[Key, str | None] = {
        (Topic.CODE, "repository"): repository(found.get(SOURCE, "")),
        (Topic.IMAGE, "base"): found.get(BASE_DIGEST),
        (Topic.IMAGE, "base name"): found.get(BASE),
    }
    ids = Ids(
        image=image,
        model=found.get(MODEL),
        version=f"{name}/{version}" if name and version else None,
        commit=found.get(REVISION),
    )
    return Record(by=by, ids=ids, values={key: value for key, value in values.items() if value})
