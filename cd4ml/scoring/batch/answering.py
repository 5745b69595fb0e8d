"""Score table after table with a model that is loaded once. Runs in the model's environment, without cd4ml's libraries.

Arguments: the model's folder, the positive label ("" for the model's own), `allow-code` if it may run code of its own
("" if not), the folder of the questions and the folder for the answers. For each byte that the pipe `questions` gives,
the next table (`0.arrow`, `1.arrow` …) is scored; a byte in the pipe `answers` says that its predictions lie there.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from cd4ml.scoring.child import predict
from cd4ml.serving.model import ModelError, RowsError, load


def main(folder: str, positive_label: str, allow_code: str, questions: str, answers: str) -> int:
    """Load, and answer until there are no more questions; say in one line on standard error what went wrong."""
    import pandas as pd

    try:
        loaded = load(folder, positive_label=positive_label or None, allow_code=bool(allow_code))
        with (
            open(Path(questions) / "questions", "rb", buffering=0) as asked,
            open(Path(answers) / "answers", "wb", buffering=0) as told,
        ):
            for number in count():
                if not asked.read(1):
                    break
                found = predict(loaded, pd.read_feather(Path(questions) / f"{number}.arrow"))
                found.to_feather(Path(answers) / f"{number}.arrow", compression="uncompressed")
                told.write(b".")
    except (ModelError, RowsError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
