"""Questions that are answered one after the other, each when a pipe says that it is there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

# Where the metadata of an empty answer say why it is empty.
REFUSED: Final = b"cd4ml.refused"


def serve(answer: Callable[[Path, Path], None], questions: str, answers: str) -> None:
    """Answer until there are no more questions: for each byte that the pipe `questions` gives, the next one is there.

    Args:
        answer: reads a question (`0.arrow`, `1.arrow` …) and writes its answer, of which a byte in the pipe `answers`
            tells.
    """
    with (
        open(Path(questions) / "questions", "rb", buffering=0) as asked,
        open(Path(answers) / "answers", "wb", buffering=0) as told,
    ):
        for number in count():
            if not asked.read(1):
                break
            answer(Path(questions) / f"{number}.arrow", Path(answers) / f"{number}.arrow")
            told.write(b".")
