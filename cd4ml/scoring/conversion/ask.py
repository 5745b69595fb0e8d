"""Ask ONNX models. Runs in the environment of the image's fast road, with the very code that serves there.

Arguments: a file of tables (JSON: a list of `{"columns": {…}, "rows": n}`), and then for each model its folder and
where its answers go (JSON: a list with `{"y_pred": …, "y_score": …, "probabilities": …}` or `{"refused": code}` for
each table, or `{"unusable": why}`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cd4ml.serving.exchange import Batch
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes.fast import load
from cd4ml.serving.signature import ModelError


def main(tables: str, *arguments: str) -> int:
    """Ask each model for each table."""
    batches = [Batch(**table) for table in json.loads(Path(tables).read_text(encoding="utf-8"))]
    for folder, answers in zip(arguments[::2], arguments[1::2], strict=True):
        Path(answers).write_text(json.dumps(_said(Path(folder), batches), allow_nan=False), encoding="utf-8")
    return 0


def _said(folder: Path, batches: list[Batch]) -> Any:
    """Return what a model says of the batches."""
    try:
        runtime = load(folder)
        runtime.warm_up()
        return [_answer(runtime, batch) for batch in batches]
    except ModelError as error:
        return {"unusable": str(error)}


def _answer(runtime: Any, batch: Batch) -> dict[str, Any]:
    """Return a model's answers as the gateway has them."""
    try:
        found = runtime.predict(batch, probabilities=True)
    except Refused as refused:
        return {"refused": refused.code}
    return {"y_pred": found.y_pred, "y_score": found.y_score, "probabilities": found.probabilities}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
