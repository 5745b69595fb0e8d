"""A model in a child process of this machine, in its own environment.

The child gets the rows without the true values and nothing else of the job: no tokens, no registry address, a folder of
its own, and a sandbox of what the machine has (`sandbox`). When it ends, so do all that it started, before anything
that it wrote is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.context import Context
from cd4ml.scoring import isolated, returned
from cd4ml.scoring.environment import READERS, environment_of
from cd4ml.scoring.scorer import Limits, Scored, ScoringError, write_rows

if TYPE_CHECKING:
    import pandas as pd

_CHILD: Final = isolated.PACKAGE / "scoring" / "child.py"
_LOADER: Final = isolated.PACKAGE / "serving" / "model.py"


def score(
    model: Path,
    tables: Sequence[pd.DataFrame],
    *,
    positive_label: str | None,
    allow_code: bool,
    limits: Limits,
    context: Context,
    repeat: bool = False,
    trials: Sequence[pd.DataFrame] = (),
) -> Scored:
    """See Scorer."""
    interpreter, lock = environment_of(model, extra=READERS, context=context)
    with tempfile.TemporaryDirectory(prefix="cd4ml-score-", ignore_cleanup_errors=True) as name:
        room = isolated.furnish(Path(name), interpreter, [model.resolve()])
        every = [*tables, *trials]
        given = [Path(name) / "rows" / f"{position}.parquet" for position in range(len(every))]
        made = [room.own / f"predictions-{position}.parquet" for position in range(len(every))]
        for rows, path in zip(every, given, strict=True):
            write_rows(rows, path)
        times = room.own / "seconds.json" if repeat else None
        code = "allow-code" if allow_code else ""
        arguments = [_LOADER, model.resolve(), positive_label or "", code, times or "", len(trials)]
        arguments += [path for pair in zip(given, made, strict=True) for path in pair]
        # Nothing compiled is kept: a model's own folder must not change, and the environment is compiled already.
        command = [str(interpreter), "-I", "-B", str(_CHILD), *map(str, arguments)]
        sizes = [len(rows) for rows in every]
        context.progress(f"Scoring {sum(sizes):,} rows in the model's own environment")
        seconds_left = limits.seconds * (len(tables) + bool(trials))
        ended, isolation = isolated.run(command, room, limits, seconds_left, context.environ)
        found = returned.each(made, sizes, ended)
        predictions, tried = found[: len(tables)], found[len(tables) :]
        seconds: list[float] = []
        if times and not any(isinstance(found, ScoringError) for found in predictions):
            try:
                seconds = returned.seconds(times)
            except ScoringError as error:
                predictions[0] = error
    return Scored(predictions=predictions, lock=lock, seconds=seconds, isolation=isolation, trials=tried)
