"""What current data are compared with: a profile, read or made, and which of its features are compared."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from cd4ml.context import Context
from cd4ml.data.predictions.table import PRODUCTION, class_columns
from cd4ml.data.profile import reference as profile
from cd4ml.data.profile.cells import NumberCells
from cd4ml.data.profile.reference import Profile
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.report import ModelIdentity
from cd4ml.stages.detect_drift.options import Options, is_model, is_profile
from cd4ml.stages.detect_drift.performance import baseline
from cd4ml.wording import nearest

# Where a model keeps the profile of the data that it was trained on.
PROFILE: Final = "reference-profile.json"
# Columns of the predictions table that are not features; its predictions are compared like features.
_NO_FEATURES: Final = ("row_id", "y_true", "production_y_pred", "production_y_score", "sample_weight")


def reference_of(
    options: Options, context: Context, *, labelled: bool
) -> tuple[Profile, Source | None, ModelIdentity | None]:
    """Return the profile of the reference, read or made, the table it was made from, and the model that holds it.

    Args:
        labelled: whether a profile that is made is to hold the performance, where `label` says what is right.
    """
    if is_model(options.reference):
        return _profile_of_model(options, context)
    if is_profile(options.reference):
        return profile.read(Path(options.reference)), None, None
    source = open_table(options.reference, reading=options.reading).source()
    if not source.rows:
        raise OptionsError(f"{options.reference} holds no rows")
    numbers, categories = _features(options, source)
    made = profile.build(source, numbers, categories, every=options.sample_every)
    if labelled and options.label:
        made = replace(made, performance=baseline(options, source))
    return made, source, None


def _profile_of_model(options: Options, context: Context) -> tuple[Profile, None, ModelIdentity]:
    """Return the profile that lies beside a model, and which model that is."""
    # Without a model, what the registry imports would be a fiftieth of the time that the whole stage takes.
    from cd4ml.registry import fetch

    with tempfile.TemporaryDirectory(prefix="cd4ml-drift-") as scratch:
        target = Path(scratch) / "model"
        folder, identity = fetch(options.reference, target, tracking_uri=options.tracking_uri, environ=context.environ)
        if not (folder / PROFILE).is_file():
            raise OptionsError(
                f"{options.reference} holds no {PROFILE}",
                advice=f"Write it into the model's folder before it is registered: --save-profile <folder>/{PROFILE}.",
            )
        return profile.read(folder / PROFILE), None, identity


def _features(options: Options, source: Source) -> tuple[list[str], list[str]]:
    """Return which columns are compared as numbers and which as categories."""
    _known(options, source)
    aside = {*_NO_FEATURES, *options.exclude, options.label, options.time_column}
    aside |= set(class_columns(source.schema, PRODUCTION).values())
    names = list(options.features) or [name for name in source.schema if name not in aside]
    families = {name: family(source.schema[name]) for name in names}
    if not options.features:
        names = [name for name in names if families[name] not in (Family.TIME, Family.OTHER)]
    odd = [name for name in names if families[name] is Family.OTHER]
    if odd:
        raise OptionsError(f"features: {', '.join(odd)}: of a type that cannot be compared")
    if not names:
        raise OptionsError(f"{options.reference} has no column to compare")
    texts = (Family.TEXT, Family.BOOLEAN, Family.EMPTY)
    categories = [name for name in names if name in options.categorical or families[name] in texts]
    return [name for name in names if name not in categories], categories


def _known(options: Options, source: Source) -> None:
    """Refuse names of columns that the reference does not have."""
    named = [("features", options.features), ("exclude", options.exclude), ("categorical", options.categorical)]
    problems = [
        f"{option_name}: {source.name} has no column `{name}`{nearest(name, source.schema)}"
        for option_name, names in named
        for name in names
        if name not in source.schema and option_name != "exclude"
    ]
    if problems:
        raise OptionsError(problems)


def compared(options: Options, reference: Profile) -> list[str]:
    """Return the features that are compared: all of the profile's, or those that are named."""
    problems = [
        f"features: the reference has no `{name}`{nearest(name, reference.features)}"
        for name in options.features
        if name not in reference.features
    ]
    problems += [
        f"categorical: `{name}` was counted as a number in the profile; create the profile with the same option"
        for name in options.categorical
        if isinstance(reference.features.get(name), NumberCells)
    ]
    names = list(options.features) or [name for name in reference.features if name not in options.exclude]
    if problems or not names:
        raise OptionsError(problems or ["there is no feature to compare"])
    return names
