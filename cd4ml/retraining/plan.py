"""What a request is to send, written into its issue: a later run that finishes it follows this, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_NOTE: Final = re.compile(r"<!-- cd4ml-plan: (\{[^\n]*\}) -->")
EVENT_TYPE: Final = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_LONGEST: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An event and what it says of the window that it was decided on.

    Attributes:
        current_sha256: digest of the window's data, empty if its report names none.
    """

    event_type: str
    worst_feature: str
    current_sha256: str

    def payload(self, number: int) -> dict[str, Any]:
        """Return what the event carries, for a request of this number."""
        return {"request": number, "worst_feature": self.worst_feature, "current_sha256": self.current_sha256}


def note(plan: Plan) -> str:
    """Return the plan as a comment in an issue, which no text of the plan can close."""
    content = {
        "event_type": plan.event_type,
        "worst_feature": plan.worst_feature[:_LONGEST],
        "current_sha256": plan.current_sha256,
    }
    text = json.dumps(content).replace("<", "\\u003c").replace(">", "\\u003e")
    return f"<!-- cd4ml-plan: {text} -->"


def noted(body: str) -> Plan | None:
    """Return the plan in an issue's text, None if there is none that can be followed."""
    found = _NOTE.search(body)
    try:
        content: Mapping[str, Any] = json.loads(found[1]) if found else {}
        plan = Plan(**content)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (plan.event_type, plan.worst_feature, plan.current_sha256)
    known = all(isinstance(text, str) and len(text) <= _LONGEST for text in texts)
    return plan if known and EVENT_TYPE.fullmatch(plan.event_type) else None
