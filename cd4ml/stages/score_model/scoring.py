"""The scoring of score-model: one model after the other predicts every table, and what came of it is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cd4ml.checks.scoring.models import called
from cd4ml.checks.scoring.scored import isolation_checks, scored_check
from cd4ml.context import Context
from cd4ml.digests import folder_sha256
from cd4ml.inputs.vocabulary import Isolation
from cd4ml.report import Check, InputDigest, ModelIdentity, Status
from cd4ml.scoring.environment import requirements
from cd4ml.scoring.sandbox import PROTECTIONS
from cd4ml.scoring.scorer import Limits, ScoringError
from cd4ml.scoring.scorers import LOCAL, SCORERS
from cd4ml.stages.score_model.options import Options

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A model whose files are here: `size` is their bytes."""

    folder: Path
    identity: ModelIdentity
    size: int


class Scoring:
    """Scoring with one model after the other, collecting checks."""

    def __init__(self, *, options: Options, context: Context) -> None:
        """Start with nothing scored."""
        self.options = options
        self.context = context
        self.checks: list[Check] = []
        self.locks: dict[str, str] = {}
        self.isolation: dict[str, Any] = {}
        self.code: dict[str, list[str]] = {}
        self.measured: dict[str, Any] = {}
        self.tables: dict[str, str] = {}
        self.trials: dict[str, Sequence[pd.DataFrame | ScoringError]] = {}

    @property
    def failed(self) -> bool:
        """Whether some table could not be scored."""
        return any(check.status is not Status.PASSED for check in self.checks)

    def wrote(self, table: InputDigest) -> None:
        """Take note of a table that was written."""
        self.tables[table.name] = table.sha256

    def predictions(
        self, name: str, model: Fetched, tables: Mapping[str, pd.DataFrame], trials: Sequence[pd.DataFrame] = ()
    ) -> list[pd.DataFrame | None]:
        """Return the predictions of a model for each table; None, and a check that says why, if there are none.

        Args:
            tables: rows by what they are called; the first are predicted repeatedly if latency is measured.
            trials: further rows, whose answers are kept as they are.
        """
        options = self.options
        sizes = {what: len(rows) for what, rows in tables.items()}
        rows_of = " and ".join(f"{n:,} {what}" for what, n in sizes.items())
        self.context.progress(f"Preparing to score {rows_of} with the {called(name)}")
        requirements(model.folder, called=model.identity.uri)
        scored = SCORERS[LOCAL].score(
            model.folder,
            [rows.drop(columns=list({options.target, *options.exclude})) for rows in tables.values()],
            positive_label=options.positive_label,
            allow_code=options.allow_code,
            limits=Limits(
                seconds=options.timeout,
                memory=options.memory_limit,
                isolated=options.isolation is Isolation.REQUIRED,
            ),
            context=self.context,
            repeat=options.measure_latency,
            trials=trials,
        )
        self.trials[name] = scored.trials
        changed = folder_sha256(model.folder) != model.identity.sha256
        self.locks[name] = hashlib.sha256(scored.lock.encode()).hexdigest()
        self.isolation[name] = {"held": scored.isolation.held, "missing": scored.isolation.missing}
        if options.isolation is Isolation.REQUIRED:
            self.checks += isolation_checks(name, PROTECTIONS, scored.isolation.held, scored.isolation.missing)
        if scored.seconds:
            self.measured[name] = {"rows": next(iter(sizes.values())), "repeated_seconds": list(scored.seconds)}
        found: list[pd.DataFrame | None] = []
        for (what, n), predictions in zip(sizes.items(), scored.predictions, strict=True):
            problem = str(predictions) if isinstance(predictions, Exception) else None
            check = scored_check(name, what, n, problem=problem, changed=changed, missing=scored.isolation.missing)
            self.checks.append(check)
            found.append(None if check.status is not Status.PASSED else cast("pd.DataFrame", predictions))
        return found
