"""Behaviour tests of score-model: what both models are asked beside the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cd4ml.data.tables.opening import open_table
from cd4ml.digests import file_sha256
from cd4ml.errors import OptionsError
from cd4ml.report import InputDigest
from cd4ml.scoring.behaviour.declared import Behaviour
from cd4ml.scoring.behaviour.reading import read_behaviour
from cd4ml.scoring.behaviour.trials import Sample, Trial, sampled, trials
from cd4ml.stages.score_model.options import Options
from cd4ml.stages.score_model.preflight import column_problems

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What both models are asked beside the test rows.

    Attributes:
        control: the sampled rows as they are.
        inputs: the file, and the tables that it names.
    """

    behaviour: Behaviour
    sample: Sample
    trials: Sequence[Trial]
    inputs: Sequence[InputDigest]

    @property
    def tables(self) -> list[pd.DataFrame]:
        """The tables to predict: the sampled rows as they are, then one for each test that asks something."""
        return [self.sample.rows, *(trial.rows for trial in self.trials if trial.rows is not None)]


def asked(options: Options, rows: pd.DataFrame) -> Asked | None:
    """Return what the file of behaviour tests asks of these test rows; None without a file.

    Raises:
        OptionsError: the file is wrong, or says what cannot be tested on these rows.
        UnavailableError: it, or a table that it names, cannot be read.
    """
    if options.behaviour is None:
        return None
    behaviour = read_behaviour(Path(options.behaviour))
    hidden = sorted({options.target, *options.exclude})
    problems = column_problems(behaviour, options, [str(name) for name in rows.columns])
    if problems:
        raise OptionsError(problems)
    read: list[InputDigest] = [
        InputDigest(name="behaviour", path=behaviour.path, sha256=file_sha256(Path(options.behaviour)))
    ]

    def known(name: str) -> pd.DataFrame:
        table = open_table(name, reading=options.reading)
        frame = table.frame()
        read.append(table.digest("known-answers", len(frame)))
        return frame.drop(columns=[column for column in options.exclude if column in frame.columns])

    sample = sampled(rows, options.behaviour_rows, hidden=hidden)
    made = trials(behaviour, sample, rows, known, options.target)
    return Asked(behaviour=behaviour, sample=sample, trials=made, inputs=read)
