"""What is known of the contract before a row is read: the columns of both tables, and those that a model takes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.checks.split.contract import column_checks, signature_checks
from cd4ml.context import Context
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.source import Source
from cd4ml.model_files.signature import Input, inputs
from cd4ml.registry import fetch
from cd4ml.report import Check, ModelIdentity
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.check_split.preflight import not_features

TRAINING: Final = "training"
TEST: Final = "test"


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """Whether the tables agree with each other and with a model, and which model that is."""

    checks: Sequence[Check]
    candidate: ModelIdentity | None = None


def agreed(options: Options, train: Source, test: Source, context: Context) -> Agreed:
    """Compare the columns of both tables with each other, and with the signature of the candidate if there is one.

    Raises:
        OptionsError: the model's MLmodel cannot be read, or its address is of no known form.
        UnavailableError: the registry does not answer, or has no such model.
    """
    aside = set(not_features(options))
    tables = {
        name: {column: family(kind) for column, kind in source.schema.items() if column not in aside}
        for name, source in ((TRAINING, train), (TEST, test))
    }
    if options.candidate is None:
        return Agreed(checks=list(column_checks(*tables.values(), any_order=options.any_column_order)))
    found, identity = _signature(options.candidate, options, context)
    return Agreed(checks=_with_model(options, options.candidate, found, tables), candidate=identity)


def _with_model(
    options: Options, uri: str, found: Sequence[Input] | None, tables: Mapping[str, Mapping[str, Family]]
) -> list[Check]:
    """Return the checks of both tables with a model beside them: one that names its columns takes them in any order."""
    signature = {one.name: one.type for one in found} if found else None
    required = [one.name for one in found or () if one.required]
    return [
        *column_checks(*tables.values(), any_order=options.any_column_order or signature is not None),
        *signature_checks(uri, signature, required, tables, target=options.target),
    ]


def _signature(uri: str, options: Options, context: Context) -> tuple[Sequence[Input] | None, ModelIdentity]:
    """Return the columns that a model takes, read from its MLmodel alone: nothing of it is loaded."""
    with tempfile.TemporaryDirectory(prefix="cd4ml-split-") as scratch:
        place = Path(scratch) / "model"
        folder, identity = fetch(uri, place, tracking_uri=options.tracking_uri, environ=context.environ)
        return inputs(folder), identity
