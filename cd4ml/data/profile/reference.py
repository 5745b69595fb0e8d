"""The reference profile: what drift must know of the reference, so that monitoring reads the current data alone.

It is made in one pass over the reference, holds counts and no rows, and lies beside the model as JSON. A profile that
was changed, cut short or written by another version is refused: it would compare with something that never was.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells, count_and_fit
from cd4ml.data.profile.grids import Grid, Spacing
from cd4ml.data.profile.losses import Baseline, from_document, to_document
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import text_file
from cd4ml.writing import write_atomically

VERSION: Final = "1"
_ADVICE: Final = "Make the profile again from the reference data with `save-profile`."
_LARGEST: Final = 200_000_000
_KIND: Final = "cd4ml-reference-profile"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The counted values of the reference.

    Attributes:
        families: what each column's type allows to be compared, by name of the feature.
        features: the counted values by name of the feature.
        schema_sha256: digest of all columns and their types, as the reference had them.
        data_sha256: digest of the reference's files.
        performance: on its labelled rows; None if it has none, as profiles of older versions.
    """

    rows: int
    families: Mapping[str, Family]
    features: Mapping[str, Cells]
    schema_sha256: str
    data_sha256: str
    performance: Baseline | None = None


def build(source: Source, numbers: Sequence[str], categories: Sequence[str], *, every: int = 1) -> Profile:
    """Count the columns of the reference in one pass; of a sample (`every` above 1) no profile is to be saved."""
    return Profile(
        rows=source.rows,
        families={name: family(source.schema[name]) for name in (*numbers, *categories)},
        features=count_and_fit(source, numbers, categories, every=every),
        schema_sha256=schema_sha256(source),
        data_sha256=source.digest("reference").sha256,
    )


def schema_sha256(source: Source) -> str:
    """Return the digest of a table's columns and types; their order does not matter."""
    lines = sorted(json.dumps([name, str(dtype)]) for name, dtype in source.schema.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def to_json(profile: Profile) -> str:
    """Return the profile as JSON, with a digest of its own content."""
    content = {
        "schema_version": VERSION,
        "kind": _KIND,
        "rows": profile.rows,
        "schema_sha256": profile.schema_sha256,
        "data_sha256": profile.data_sha256,
        **({"performance": to_document(profile.performance)} if profile.performance else {}),
        "features": {
            name: {"family": str(profile.families[name]), **_document(cells)}
            for name, cells in sorted(profile.features.items())
        },
    }
    return json.dumps({**content, "sha256": _digest(content)}, allow_nan=False, separators=(",", ":")) + "\n"


def write(path: Path, profile: Profile) -> None:
    """Write a profile in one move, so that no reader sees half of it.

    Raises:
        UnavailableError: the file cannot be written.
    """
    write_atomically(path, to_json(profile))


def is_profile(path: Path) -> bool:
    """Whether a file is a profile of an earlier run."""
    try:
        return bool(json.loads(text_file(path, most=_LARGEST)).get("kind") == _KIND)
    except (ValueError, AttributeError, RecursionError, OptionsError, OSError):
        return False


def read(path: Path) -> Profile:
    """Read a profile.

    Raises:
        UnavailableError: the file cannot be read.
        OptionsError: it is not a profile, one of another version, or one that was changed.
    """
    try:
        text = text_file(path, most=_LARGEST)
    except FileNotFoundError as error:
        raise UnavailableError(f"{path}: no such file.") from error
    except OptionsError as error:
        raise OptionsError(f"{error.message}: not a reference profile", advice=_ADVICE) from error
    try:
        return from_json(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OptionsError(f"{path}: not a reference profile: {error}", advice=_ADVICE) from error


def from_json(text: str) -> Profile:
    """Return the profile in a text.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none; `read` says so in one message.
    """
    document = json.loads(text, parse_constant=_refuse)
    if document.get("kind") != _KIND:
        raise ValueError("another kind of document")
    if document["schema_version"] != VERSION:
        raise ValueError(f"version {document['schema_version']!r}; this is for version {VERSION!r}")
    if document.pop("sha256") != _digest(document):
        raise ValueError("its content does not match its digest")
    features = {name: _cells(name, item) for name, item in document["features"].items()}
    rows = int(document["rows"])
    for name, cells in features.items():
        if cells.n + cells.missing != rows:
            raise ValueError(f"feature {name!r} does not have {rows} rows")
    return Profile(
        rows=rows,
        families={name: Family(item["family"]) for name, item in document["features"].items()},
        features=features,
        schema_sha256=document["schema_sha256"],
        data_sha256=document["data_sha256"],
        performance=from_document(document["performance"]) if "performance" in document else None,
    )


def _refuse(constant: str) -> float:
    """Refuse NaN and infinity, which Python's reader would take."""
    raise ValueError(f"{constant} is not a number")


def _digest(content: Mapping[str, Any]) -> str:
    """Return the digest of a document's content, whatever its spacing and order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _document(cells: Cells) -> dict[str, Any]:
    """Return counted values as plain data."""
    gaps = {"nulls": cells.nulls, "nans": cells.nans, "infinite": cells.infinite}
    if isinstance(cells, CategoryCells):
        many = {"identifiers": cells.identifiers} if cells.identifiers else {}
        return {"counts": dict(sorted(cells.counts.items())), **many, **gaps}
    grid = cells.grid
    return {
        "grid": {
            "spacing": str(grid.spacing),
            "low": grid.low,
            "high": grid.high,
            "cells": grid.cells,
            "center": grid.center,
            "scale": grid.scale,
        },
        "counts": cells.counts.tolist(),
        **gaps,
        "fractional": cells.fractional,
    }


def _cells(name: str, item: Mapping[str, Any]) -> Cells:
    """Return counted values from plain data."""
    import numpy as np

    gaps = {kind: int(item[kind]) for kind in ("nulls", "nans", "infinite")}
    if min(gaps.values()) < 0:
        raise ValueError(f"feature {name!r} has counts below 0")
    if "grid" not in item:
        labels = {str(label): int(n) for label, n in item["counts"].items()}
        identifiers = int(item.get("identifiers", 0))
        if min([identifiers, *labels.values()]) < 0:
            raise ValueError(f"feature {name!r} has counts below 0")
        return CategoryCells(counts=labels, identifiers=identifiers, **gaps)
    grid = Grid(**{**item["grid"], "spacing": Spacing(item["grid"]["spacing"])})
    counts = np.array(item["counts"], dtype=np.int64)
    finite = all(map(math.isfinite, (grid.low, grid.high, grid.high - grid.low, grid.center, grid.scale)))
    ordered = finite and grid.low <= grid.high and grid.scale > 0
    if counts.shape != (grid.cells + 2,) or counts.min() < 0 or not ordered:
        raise ValueError(f"feature {name!r} has counts that do not fit its grid")
    return NumberCells(grid=grid, counts=counts, fractional=bool(item["fractional"]), **gaps)
