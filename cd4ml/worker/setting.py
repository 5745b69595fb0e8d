"""From a reference and limits to how events are counted and judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from cd4ml.data.profile.cells import NumberCells
from cd4ml.data.profile.losses import ABSOLUTE_ERROR
from cd4ml.data.profile.reference import Profile, to_json
from cd4ml.data.schema.load import load_schema
from cd4ml.data.tables.columns import Family
from cd4ml.errors import OptionsError
from cd4ml.report import ModelIdentity
from cd4ml.stages.detect_drift.options import Options
from cd4ml.worker.awaiting import Terms
from cd4ml.worker.counting import Counting
from cd4ml.worker.decoding import Decoder
from cd4ml.worker.demands import demands
from cd4ml.worker.judging import Judge
from cd4ml.worker.windows import Rules

# What events can say: JSON has no times.
_TOLD: Final = (Family.NUMBER, Family.TEXT, Family.BOOLEAN)


def judge_of(
    options: Options,
    reference: Profile,
    model: ModelIdentity | None,
    names: Sequence[str],
    *,
    schema: str | None,
    maximum_broken: float,
    maximum_unreadable: float,
    positive_label: str | None = None,
    minimum_accuracy: float | None = None,
) -> Judge:
    """Return how windows are judged.

    Args:
        names: features that are to be compared.
        schema: pandera YAML that each value is held against.
        positive_label, minimum_accuracy: see Judge.

    Raises:
        OptionsError: nothing can be compared, or the schema says nothing of what is compared.
    """
    kept = {
        name: reference.features[name]
        for name in names
        if reference.families[name] in _TOLD and reference.features[name].n
    }
    if not kept:
        raise OptionsError(f"{options.reference} has no feature of numbers, texts or booleans to compare")
    families = {name: reference.families[name] for name in kept}
    numbers = {name: cells for name, cells in kept.items() if isinstance(cells, NumberCells)}
    found = list(demands(load_schema(schema, Path.cwd()), families, numbers)) if schema else []
    if schema and not found:
        raise OptionsError(f"{schema} demands nothing of a feature that is compared")
    return Judge(
        options=options,
        reference=reference,
        model=model,
        compared=kept,
        not_compared=[name for name in reference.features if name not in kept],
        demands=found,
        maximum_unreadable=maximum_unreadable,
        maximum_broken=maximum_broken,
        positive_label=positive_label,
        minimum_accuracy=minimum_accuracy,
    )


def counting_of(judge: Judge) -> Counting:
    """Return how events are counted."""
    families = {name: judge.reference.families[name] for name in judge.compared}
    numbers = [name for name, cells in judge.compared.items() if isinstance(cells, NumberCells)]
    return Counting(judge.compared, Decoder(families, numbers), judge.demands, judge.positive_label)


def terms_of(judge: Judge, *, seconds: int, most: int) -> Terms:
    """Return on what terms labels are waited for: the reference says what a loss is.

    Args:
        seconds, most: see Terms.

    Raises:
        OptionsError: the scores are probabilities of one class here and of another in the reference.
    """
    before = judge.reference.performance
    theirs, mine = before.positive_label if before else None, judge.positive_label
    if theirs and mine and theirs != mine:
        raise OptionsError("positive-label is not that of the reference, whose performance was taken with another")
    numeric = before is not None and before.loss == ABSOLUTE_ERROR
    return Terms(numeric=numeric, positive_label=mine or theirs, seconds=seconds, most=most)


def basis_of(judge: Judge, rules: Rules) -> str:
    """Return the digest of what counts are in: those of another basis cannot be added to."""
    content = [
        to_json(judge.reference),
        list(judge.compared),
        [[demand.id, demand.words] for demand in judge.demands],
        asdict(rules),
        judge.positive_label,
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
