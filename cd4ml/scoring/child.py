"""Score rows with a model. Runs in the model's environment, without the rest of cd4ml.

Arguments: the file that loads models (cd4ml/serving/model.py), the model's folder, the positive label ("" for the
model's own), `allow-code` if it may run code of its own ("" if not), where the seconds of repeated predictions of the
first rows go (JSON; "" for no repeats), how many of the tables that follow are trials, and then for each table the rows
(Parquet) and where their predictions go (Parquet). Trials come last. A model may give up at one: what it said then goes
beside where its predictions would have gone (`.error`, or `.unusable` if it answered with what are no predictions), and
the next one is tried.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

_REPEATS = 5
_SECONDS = 30.0


def main(
    loader: str, folder: str, positive_label: str, allow_code: str, times: str, n_trials: str, *arguments: str
) -> int:
    """Load, predict, write; say in one line on standard error what went wrong."""
    import pandas as pd

    model = _import(loader)
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    tables, trials = pairs[: len(pairs) - int(n_trials)], pairs[len(pairs) - int(n_trials) :]
    try:
        loaded = model.load(folder, positive_label=positive_label or None, allow_code=bool(allow_code))
        for rows, predictions in tables:
            predict(loaded, pd.read_parquet(rows)).to_parquet(predictions, index=False)
    except (model.ModelError, model.RowsError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if times:
        Path(times).write_text(json.dumps(_repeated(loaded, pd.read_parquet(tables[0][0]))))
    for rows, predictions in trials:
        attempt(loaded, pd.read_parquet(rows), Path(predictions), model.ModelError)
    return 0


def attempt(loaded: Any, table: Any, predictions: Path, unusable: type[Exception]) -> None:
    """Predict rows that the model may refuse with an exception; answers that are no predictions are no refusal."""
    answered = False
    try:
        found = predict(loaded, table)
        answered = True
        found.to_parquet(predictions, index=False)
    except Exception as error:
        predictions.unlink(missing_ok=True)
        refused = not answered and not isinstance(error, unusable | MemoryError)
        said = predictions.with_suffix(".error" if refused else ".unusable")
        said.write_text(f"{type(error).__name__}: {error}", errors="replace")


def predict(loaded: Any, table: Any) -> Any:
    """Return the predictions of the rows, and the scores where the model gives any."""
    import pandas as pd

    y_pred, y_score = loaded.predict(table)
    scores = loaded.class_scores(table)
    columns = {"y_pred": y_pred} if y_score is None else {"y_pred": y_pred, "y_score": y_score}
    return pd.DataFrame(columns | ({} if scores is None else dict(scores.items())))


def _repeated(loaded: Any, table: Any) -> list[float]:
    """Return the seconds of five further predictions, or of as many as take half a minute; the first warmed it up."""
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _SECONDS:
        start = time.perf_counter()
        loaded.predict(table)
        seconds.append(time.perf_counter() - start)
    return seconds


def _import(path: str) -> ModuleType:
    """Import the gateway's module of that path, and with it nothing but modules of cd4ml.

    The environment has no cd4ml; a package without contents stands for it, so that not even a search path is changed.
    """
    package = Path(path).parents[1]
    for name, folder in (("cd4ml", package), ("cd4ml.serving", package / "serving")):
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
    return importlib.import_module("cd4ml.serving.model")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
