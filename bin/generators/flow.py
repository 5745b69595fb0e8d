"""The stages in their order, as an SVG picture that reads in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.stages import STAGES

_WIDTH: Final = 158
_HEIGHT: Final = 44
_GAP: Final = 26
_MARGIN: Final = 16
_ROW: Final = 104
_HEAD: Final = 34  # from the top of a row to its boxes
# Stages outside the pipeline, by when they run.
_SERVING: Final = ("analyze-rollout", "advance-rollout", "promote-model", "analyze-experiment")
_SCHEDULED: Final = ("check-freshness", "check-features", "detect-drift", "request-retraining")
_RETRAINING: Final = ("plan-search", "run-trial", "select-trial", "train-model")
_ASKED: Final = ("score-batch", "verify-evidence")
_STYLE: Final = """\
    text { font: 14px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
    .ground { fill: #ffffff; }
    .when { font-size: 13px; fill: #57606a; }
    .name { text-anchor: middle; }
    .gate { fill: #ddf4ff; stroke: #0969da; }
    .act { fill: #dafbe1; stroke: #1a7f37; }
    path { fill: none; stroke: #6e7781; stroke-width: 1.5; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .ground { fill: #0d1117; }
      .when { fill: #9198a1; }
      .gate { fill: #0c2d4d; stroke: #58a6ff; }
      .act { fill: #0f2f1a; stroke: #3fb950; }
      path { stroke: #9198a1; }
    }"""


def picture() -> str:
    """Return the stages as boxes: those that judge a change, that deliver it, and that come afterwards, by when."""
    judge = [name for name, info in STAGES.items() if info.in_pipeline and not info.acts]
    deliver = [name for name, info in STAGES.items() if info.in_pipeline and info.acts]
    later = [name for name, info in STAGES.items() if not info.in_pipeline]
    if sorted(later) != sorted((*_SERVING, *_SCHEDULED, *_RETRAINING, *_ASKED)):
        raise ValueError("each stage outside the pipeline belongs to one group of bin/generators/flow.py")
    columns = max(len(judge), len(deliver) + len(_RETRAINING), len(_SERVING) + len(_ASKED))
    width = 2 * _MARGIN + columns * _WIDTH + (columns - 1) * _GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {4 * _ROW}" role="img">',
        f"  <title>The stages: {', '.join(STAGES)}</title>",
        f"  <style>\n{_STYLE}\n  </style>",
        f'  <rect class="ground" width="{width}" height="{4 * _ROW}" rx="8"/>',
        *_group(judge, 0, 0, "every change, every pull request"),
        *_group(deliver, 0, 1, "the default branch, if all of them passed"),
        *_group(_SERVING, 0, 2, "while the model serves", chain=False),
        *_group(_ASKED, len(_SERVING), 2, "whenever it is asked", chain=False),
        *_group(_SCHEDULED, 0, 3, "on a schedule", chain=False),
        *_group(_RETRAINING, len(deliver), 1, "a retraining"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _group(names: Sequence[str], column: int, row: int, when: str, *, chain: bool = True) -> Iterator[str]:
    """Yield the boxes of stages that run together, from a column on, under what says when they run.

    Args:
        chain: whether each follows the one before.
    """
    top = row * _ROW + _HEAD
    yield f'  <text class="when" x="{_left(column)}" y="{top - 12}">{when}</text>'
    for place, name in enumerate(names):
        left = _left(column + place)
        kind = "act" if STAGES[name].acts else "gate"
        yield f'  <rect class="{kind}" x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        yield f'  <text class="name" x="{left + _WIDTH // 2}" y="{top + 27}">{name}</text>'
        if place and chain:
            end = left - 3
            yield f'  <path d="M{left - _GAP + 2} {top + 22} H{end} m-6 -5 l6 5 l-6 5"/>'


def _left(column: int) -> int:
    """Return where a column begins."""
    return _MARGIN + column * (_WIDTH + _GAP)
