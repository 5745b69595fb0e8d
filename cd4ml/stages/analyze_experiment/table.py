"""The rows of an experiment: who was given what, and the values of each variant's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from cd4ml.checks.experiment.assignment import Assignment
from cd4ml.data.tables.by_name import columns, values
from cd4ml.data.tables.header import lacking
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.experiment.estimates import Floats
from cd4ml.stages.analyze_experiment.options import Options, Plan

if TYPE_CHECKING:
    import polars as pl

_VARIANT: Final = "variant"
_UNIT: Final = "unit"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """All rows.

    Attributes:
        variants: of each row; None where a row has none.
        numbers: columns of numbers, with not-a-number where a value is missing.
    """

    sources: Sequence[Source]
    variants: pl.Series
    units: pl.Series | None
    numbers: Mapping[str, Floats]

    def values(self, column: str, variant: str) -> Floats:
        """Return a column's values of the units of a variant."""
        chosen: npt.NDArray[np.bool_] = (self.variants == variant).fill_null(value=False).to_numpy()
        return self.numbers[column][chosen]


def read(options: Options, plan: Plan) -> Experiment:
    """Read the columns that the options name.

    Raises:
        OptionsError: a column is missing or holds no numbers, or there are no rows.
        UnavailableError: a table cannot be read.
    """
    import polars as pl

    sources = [open_table(one, hashed=True, reading=options.csv).source() for one in options.data]
    wanted = _of_numbers(options, plan)
    problems = [problem for source in sources for problem in _problems(source, options, wanted)]
    if not problems and not sum(source.rows for source in sources):
        problems.append("data: there are no rows")
    problems += [] if problems else _twice(sources)
    if problems:
        raise OptionsError(problems)
    named = {options.variant: _VARIANT} | ({options.unit: _UNIT} if options.unit else {})
    frames = []
    for source in sources:
        with refused(source.name):
            frame = source.lazy().select(columns([*dict.fromkeys([*named, *wanted])])).collect(engine="streaming")
        texts = [values(frame, name).cast(pl.String).alias(f"{kind}:") for name, kind in named.items()]
        numbers = [values(frame, name).cast(pl.Float64).alias(f"={name}") for name in wanted]
        frames.append(pl.DataFrame([*texts, *numbers]))
    rows = pl.concat(frames)
    return Experiment(
        sources=sources,
        variants=rows[f"{_VARIANT}:"],
        units=rows[f"{_UNIT}:"] if options.unit else None,
        numbers={name: rows[f"={name}"].fill_null(np.nan).to_numpy() for name in wanted},
    )


def _of_numbers(options: Options, plan: Plan) -> list[str]:
    """Return the columns that must hold numbers."""
    of_metrics = [column for metric in plan.metrics.values() for column in metric.columns]
    return list(dict.fromkeys([*of_metrics, *options.covariates.values()]))


def _problems(source: Source, options: Options, wanted: Sequence[str]) -> list[str]:
    """Return what of a table cannot be read."""
    import polars as pl

    named = [options.variant, *([options.unit] if options.unit else []), *wanted]
    found = lacking(source.name, named, list(source.schema))
    for name in wanted:
        kind = source.schema.get(name)
        if kind is not None and not (kind.is_numeric() or kind == pl.Boolean):
            found.append(
                f"{source.name}: column `{name}` holds {kind}, no numbers: a metric needs numbers in every row"
            )
    return found


def _twice(sources: Sequence[Source]) -> list[str]:
    """Return which tables are the same one again: their units would count twice."""
    first, found = dict[str, str](), list[str]()
    for source in sources:
        digest = source.digest("").sha256
        if digest in first:
            found.append(f"data: {source.name} holds what {first[digest]} holds: its units would count twice")
        first.setdefault(digest, source.name)
    return found


def assignment(found: Experiment, plan: Plan) -> Assignment:
    """Return who was given what."""
    import polars as pl

    counted = dict(found.variants.drop_nulls().value_counts().iter_rows())
    counts = {name: int(counted.pop(name, 0)) for name in plan.shares}
    repeated = crossed = None
    if found.units is not None:
        frame = pl.DataFrame({"unit": found.units, "variant": found.variants}).drop_nulls()
        each = frame.group_by("unit").agg(rows=pl.len(), variants=pl.col("variant").n_unique())
        crossed = int((each["variants"] > 1).sum())
        repeated = int(((each["rows"] > 1) & (each["variants"] == 1)).sum())
    return Assignment(
        counts=counts,
        rows=len(found.variants),
        without_unit=found.units.null_count() if found.units is not None else 0,
        without_variant=found.variants.null_count(),
        unplanned=sum(counted.values()),
        repeated=repeated,
        crossed=crossed,
    )
