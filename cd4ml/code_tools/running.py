"""Running a tool to its end, however that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cd4ml.code_tools.tool import CUT_OFF, Output
from cd4ml.process.programs import Group, NotCompletedError, TimeLimitError, completed

MOST_OUTPUT: Final = 50_000_000  # bytes; more is not read, and what is not read cannot pass


def run(command: Sequence[str], environ: Mapping[str, str], seconds: float, group: Group) -> Output:
    """Run a tool's command and return what it left behind; it ends with the others of its group."""
    try:
        ended = completed(command, environ=environ, seconds=seconds, name="it", most=MOST_OUTPUT, group=group)
    except TimeLimitError:
        return Output(code=CUT_OFF, stdout="", stderr=f"it did not end within {seconds:g} s (timeout)")
    except NotCompletedError as error:
        return Output(code=CUT_OFF, stdout="", stderr=error.message)
    return Output(code=ended.code, stdout=ended.text, stderr=ended.complaint)
