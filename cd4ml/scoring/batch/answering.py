"""Score table after table with a model that is loaded once. Runs in the model's environment, without cd4ml's libraries.

Arguments: the model's folder, the positive label ("" for the model's own), `allow-code` if it may run code of its own
("" if not), the folder of the questions and the folder for the answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cd4ml.scoring.batch.pipes import serve
from cd4ml.scoring.child import predict
from cd4ml.serving.model import ModelError, RowsError, load


def main(folder: str, positive_label: str, allow_code: str, questions: str, answers: str) -> int:
    """Load and answer; say in one line on standard error what went wrong."""
    import pandas as pd

    def answer(given: Path, made: Path) -> None:
        predict(loaded, pd.read_feather(given)).to_feather(made, compression="uncompressed")

    try:
        loaded = load(folder, positive_label=positive_label or None, allow_code=bool(allow_code))
        serve(answer, questions, answers)
    except (ModelError, RowsError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
