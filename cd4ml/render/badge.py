"""The verdict of a run as a badge: the JSON that shields.io's endpoint badge reads.

Green is `passed` and nothing else: not what is let through with a warning, and not what no stage looked at.
"""

from __future__ import annotations

import json
from typing import Final

from cd4ml.render.pipeline_run import Run
from cd4ml.render.places import Places
from cd4ml.report import Status
from cd4ml.wording import safe

LABEL: Final = "cd4ml"
_COLOR: Final = {
    Status.PASSED: "brightgreen",
    Status.FAILED: "red",
    Status.INCONCLUSIVE: "orange",
    Status.ERROR: "critical",
    Status.SKIPPED: "lightgrey",
}
_MESSAGE: Final = {Status.SKIPPED: "not configured"}
_WARNED: Final = "yellow"
_LONGEST: Final = 60


def text(run: Run, places: Places) -> str:
    """Return the document."""
    del places
    status = run.status
    message = _MESSAGE.get(status, str(status))
    if status not in (Status.PASSED, Status.SKIPPED):
        message = f"{message}: {', '.join(_blocking(run, status))}"
    badge = {
        "schemaVersion": 1,
        "label": LABEL,
        "message": safe(message)[:_LONGEST],
        "color": _WARNED if run.warned else _COLOR[status],
        # Whoever embeds the badge cannot give another colour to one that blocks.
        "isError": status in (Status.FAILED, Status.ERROR) and not run.warned,
    }
    return json.dumps(badge, indent=2, ensure_ascii=True) + "\n"


def is_ours(content: str) -> bool:
    """Whether a file's content was written by `text`."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("schemaVersion") == 1 and found.get("label") == LABEL


def _blocking(run: Run, status: Status) -> list[str]:
    """Return the stages with the worst verdict, and what is an error because nothing is known of it."""
    lost = [one.name for one in run.lost] if status is Status.ERROR else []
    return [*(entry.stage for entry in run.entries if entry.status is status), *lost]
