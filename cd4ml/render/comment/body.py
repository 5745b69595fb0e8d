"""The whole comment: the parts of all pipelines under one marker, each between markers of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from cd4ml.render.comment.section import Pipeline, section
from cd4ml.render.comment.text import length
from cd4ml.render.markdown import MARK
from cd4ml.report import Status, worst

MARKER: Final = "<!-- cd4ml -->"
LARGEST: Final = 65_536  # characters; the platform refuses a longer comment
# Not one that could begin the names of another pipeline's artifacts, `<name>-report-<stage>`.
NAME: Final = re.compile(r"(?!.*--)(?!(?i:.*-report(?:-|$)))[A-Za-z0-9](?:[\w.-]{0,98}[A-Za-z0-9])?", re.ASCII)
_MOST_OF_ONE: Final = 20_000
_PART: Final = re.compile(
    r"^<!-- cd4ml:(?P<name>[\w.-]+) run=(?P<run>\d{1,20})\.(?P<attempt>\d{1,9}) status=(?P<status>[a-z]+) -->\n"
    r"(?P<text>.*?)^<!-- /cd4ml:(?P=name) -->$",
    re.ASCII | re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one pipeline says in the comment.

    Attributes:
        run: number of the run and of the attempt: a later one replaces an earlier one.
    """

    name: str
    run: tuple[int, int]
    status: Status
    text: str


def part(pipeline: Pipeline, run: tuple[int, int], *, largest: int = _MOST_OF_ONE) -> Part:
    """Return the part of a pipeline."""
    status = Status.INCONCLUSIVE if pipeline.warned or pipeline.unexplained else pipeline.status
    return Part(name=pipeline.name, run=run, status=status, text=section(pipeline, largest).rstrip("\n") + "\n")


def parts(body: str) -> list[Part]:
    """Return the parts of a comment that we posted; none where it is not ours."""
    text = body.replace("\r\n", "\n")
    if not text.startswith(MARKER):
        return []
    known = {str(status): status for status in Status}
    return [
        Part(
            name=found["name"],
            run=(int(found["run"]), int(found["attempt"])),
            status=known[found["status"]],
            text=found["text"],
        )
        for found in _PART.finditer(text)
        if found["status"] in known and NAME.fullmatch(found["name"])
    ]


def newest(found: Iterable[Part]) -> dict[str, Part]:
    """Return one part for each pipeline: that of its latest run; of two of the same run, the last."""
    kept: dict[str, Part] = {}
    for one in found:
        if one.name not in kept or one.run >= kept[one.name].run:
            kept[one.name] = one
    return kept


def body(found: Iterable[Part]) -> str:
    """Return the comment: what blocks first. Where all is too long, the longest parts shrink to their verdicts."""
    order = (Status.ERROR, Status.FAILED, Status.INCONCLUSIVE, Status.PASSED, Status.SKIPPED)
    shown = sorted(newest(found).values(), key=lambda one: (order.index(one.status), one.name))
    text = _joined(shown)
    while length(text) > LARGEST:
        place = max(range(len(shown)), key=lambda index: length(shown[index].text))
        short = _shortened(shown[place])
        # Hundreds of pipelines: not even their verdicts fit.
        shown = shown[:-1] if short == shown[place] else [*shown[:place], short, *shown[place + 1 :]]
        text = _joined(shown)
    return text


def _shortened(one: Part) -> Part:
    """Return a part's verdict alone."""
    verdict = one.text.partition("\n")[0]
    return replace(one, text=f"{verdict}\n\nWhat it found does not fit here; the run's summary has it.\n")


def _joined(shown: list[Part]) -> str:
    """Return the parts under the marker, and above several of them the verdict of all."""
    lines = [MARKER]
    if len(shown) > 1:
        status = worst(one.status for one in shown)
        judged = sum(one.status is Status.PASSED for one in shown)
        lines.append(f"**{MARK[status]} {judged} of {len(shown)} pipelines passed**\n")
    for one in shown:
        run = ".".join(map(str, one.run))
        lines.append(f"<!-- cd4ml:{one.name} run={run} status={one.status} -->\n{one.text}<!-- /cd4ml:{one.name} -->")
    return "\n".join(lines) + "\n"
