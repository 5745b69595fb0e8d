"""Run the caller's training code. Runs in its environment, without the rest of cd4ml.

Arguments: the folder with `rows.parquet`, `folds.parquet` and the code in `code`, the function as `module:function`,
what is asked (JSON: `parameters`, `seed`, and the `folder` of a model that is to be saved, else scores are wanted), and
where the answer goes (JSON). What the code raises is an answer: `failed`.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_LONGEST = 600


def main(given: str, source: str, asked: str, answer: str) -> int:
    """Train, and write what came of it."""
    request = json.loads(Path(asked).read_text(encoding="utf-8"))
    try:
        said = _asked(Path(given), source, request)
    except (Exception, SystemExit) as error:
        said = {"failed": f"{type(error).__name__}: {error}"[:_LONGEST]}
    Path(answer).write_text(json.dumps(said), encoding="utf-8")
    return 0


def _asked(given: Path, source: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the scores, or that a model was saved."""
    import numpy as np
    import pandas as pd

    sys.path[:0] = [str(given / "code"), str(given / "code" / "src")]
    function = _function(source)
    rows = pd.read_parquet(given / "rows.parquet")
    random.seed(request["seed"])
    np.random.seed(request["seed"])
    if request.get("folder"):
        function(request["parameters"], rows, request["folder"])
        return {"saved": True}
    folds = pd.read_parquet(given / "folds.parquet")
    scores = [_score(function, request["parameters"], *parts) for parts in _parts(rows, folds)]
    return {"scores": scores}


def _parts(rows: Any, folds: Any) -> Iterator[tuple[Any, Any]]:
    """Yield training and validation rows: of each outer fold, and then, fold by fold, of those within its training."""
    outer = folds["outer"]
    for k in range(outer.max() + 1):
        yield rows[outer != k].reset_index(drop=True), rows[outer == k].reset_index(drop=True)
    for k in range(outer.max() + 1):
        inner = folds[f"inner_{k}"]
        for j in range(inner.max() + 1):
            train, validation = (inner >= 0) & (inner != j), inner == j
            yield rows[train].reset_index(drop=True), rows[validation].reset_index(drop=True)


def _score(function: Callable[..., Any], parameters: dict[str, Any], train: Any, validation: Any) -> float:
    """Return the score on validation rows, as a number."""
    found = function(dict(parameters), train, validation)
    if isinstance(found, bool) or not hasattr(found, "__float__"):
        raise TypeError(f"the score is {type(found).__name__}, not a number")
    return float(found)


def _function(source: str) -> Callable[..., Any]:
    """Return the function that is named."""
    module, _, path = source.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"{source} is not a function")
    return found  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
