"""What a terminal shows, as an SVG picture that reads in light and in dark."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

COLUMNS: Final = 104
_ADVANCE: Final = 8.0  # the width of a character; textLength holds every font to it
_LEADING: Final = 19
_MARGIN: Final = 18
_BAR: Final = 34
_ESCAPE: Final = re.compile(r"\x1b\[([\d;]*)m")
_CLASSES: Final = {
    "0": "",
    "1": "bold",
    "2": "dim",
    "31": "red",
    "32": "green",
    "33": "amber",
    "34": "blue",
    "36": "blue",
    "90": "dim",
}
_ENDS: Final = {"": (), "22": ("bold", "dim"), "39": ("red", "green", "amber", "blue", "dim")}
_STYLE: Final = """\
    text { font: 13.3px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    text { fill: #1f2328; white-space: pre; }
    .ground { fill: #ffffff; stroke: #d0d7de; }
    .bar { fill: #f6f8fa; }
    .dot { fill: #d0d7de; }
    .bold { font-weight: 700; }
    .dim { fill: #57606a; }
    .red { fill: #b3261e; }
    .green { fill: #116329; }
    .amber { fill: #8a5300; }
    .blue { fill: #0550ae; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .ground { fill: #0d1117; stroke: #30363d; }
      .bar { fill: #161b22; }
      .dot { fill: #30363d; }
      .dim { fill: #9198a1; }
      .red { fill: #ff8a80; }
      .green { fill: #56d364; }
      .amber { fill: #e3b341; }
      .blue { fill: #79c0ff; }
    }"""


def picture(output: str, *, title: str) -> str:
    """Return a picture of what was printed, with the colours that its escape sequences set.

    Args:
        output: the lines, the commands that were typed among them.
        title: what the picture shows, for readers who do not see it.
    """
    lines = list(_wrapped(output.rstrip("\n")))
    width = round(COLUMNS * _ADVANCE + 2 * _MARGIN)
    height = _BAR + len(lines) * _LEADING + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"  <title>{escape(title)}</title>",
        f"  <style>\n{_STYLE}\n  </style>",
        f'  <rect class="ground" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        *(f'  <circle class="dot" cx="{_MARGIN + 16 * place}" cy="17" r="5"/>' for place in range(3)),
    ]
    for row, spans in enumerate(lines):
        parts += _line(spans, _BAR + 14 + row * _LEADING)
    return "\n".join([*parts, "</svg>", ""])


def _line(spans: list[tuple[str, str]], height: int) -> Iterator[str]:
    """Yield the elements of one line: each span where its first character stands."""
    column = 0
    for text, classes in spans:
        if text.strip():
            start = column + len(text) - len(text.lstrip())
            shown = text.strip()
            style = f' class="{classes}"' if classes else ""
            at = f'x="{_MARGIN + start * _ADVANCE:g}" y="{height}" textLength="{len(shown) * _ADVANCE:g}"'
            yield f"  <text {at}{style}>{escape(shown)}</text>"
        column += len(text)


def _wrapped(output: str) -> Iterator[list[tuple[str, str]]]:
    """Yield lines of spans, each with its classes; a long line goes on below, indented as it began."""
    active: list[str] = []
    for line in output.split("\n"):
        plain, changes = _plain(line)
        indent = " " * (len(plain) - len(plain.lstrip()) + 2)
        pieces = textwrap.wrap(plain, COLUMNS, subsequent_indent=indent, break_on_hyphens=False) or [""]
        place = 0
        for number, piece in enumerate(pieces):
            text = piece[len(indent) :] if number else piece
            place = plain.index(text, place)
            spans, active = _spans(text, place, changes, active)
            yield [(indent, ""), *spans] if number else spans
            place += len(text)
        for _, code in [change for change in changes if change[0] >= place]:
            active = _after(active, code)


def _plain(line: str) -> tuple[str, list[tuple[int, str]]]:
    """Return a line without its escape sequences, and each of their codes with its place in it."""
    changes, plain, end = [], "", 0
    for found in _ESCAPE.finditer(line):
        plain += line[end : found.start()]
        changes += [(len(plain), code) for code in (found[1] or "0").split(";")]
        end = found.end()
    return plain + line[end:], changes


def _spans(
    text: str, start: int, changes: list[tuple[int, str]], active: list[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the spans of a piece of a line that begins at a place, and the classes that hold after it."""
    inside = [change for change in changes if start <= change[0] < start + len(text)]
    edges = sorted({start, start + len(text), *(place for place, _ in inside)})
    spans = []
    for left, right in pairwise(edges):
        for _, code in [change for change in inside if change[0] == left]:
            active = _after(active, code)
        spans.append((text[left - start : right - start], " ".join(active)))
    return spans, active


def _after(active: list[str], code: str) -> list[str]:
    """Return the classes that hold after a code; an unknown one is an error, or the picture would leave it out."""
    if code == "0":
        return []
    if code in _ENDS:
        return [name for name in active if name not in _ENDS[code]]
    return [*active, _CLASSES[code]]
