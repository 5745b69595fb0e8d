"""The published JSON of a report, version 1.

Its shape is a promise to scripts, kept apart from the internal types so that those may change. Every number is finite:
not-a-number and infinity become null, and a `Check` with such a value cannot be made to pass. `reading` is the way
back, and says what does not come back as it was.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from cd4ml.report.model import Check, Published

SCHEMA_VERSION: Final = "1"
TOOL: Final = "cd4ml"
# Where a report's `measured` stands: in the one block that differs between two runs on the same inputs.
MEASURED: Final = "measured"
MOST_MODIFIED: Final = 20


def document(published: Published) -> dict[str, Any]:
    """Return the JSON document."""
    report, source = published.report, published.source
    modified = None if source.modified is None else list(source.modified[:MOST_MODIFIED])
    measured = {MEASURED: report.measured} if report.measured else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": TOOL, "version": published.version},
        "stage": report.stage,
        "status": str(report.status),
        "summary": report.summary,
        "source": {"git_sha": source.git_sha, "modified": modified},
        "candidate": plain(report.candidate),
        "production": plain(report.production),
        "inputs": plain(report.inputs),
        "options": plain(published.options),
        "seed": report.seed,
        "checks": [check(one) for one in report.checks],
        "metrics": plain(report.metrics),
        "details": plain(report.details),
        "outputs": plain(report.outputs),
        "plan": list(report.plan),
        "run": plain({**published.run, **measured}),
    }


def check(found: Check) -> dict[str, Any]:
    """Return a check without the fields that do not apply."""
    return {key: value for key, value in plain(found).items() if value is not None}


def plain(value: Any) -> Any:
    """Return the value as JSON knows it: dataclasses as objects, enums as texts, non-finite numbers as null."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # a NumPy scalar
        return plain(value.item())
    raise TypeError(f"a report cannot hold {type(value).__name__}")


def text(published: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """Return the document as JSON text that holds no workflow command of the platform.

    A runner looks for `::name::` and `##[name]` in everything that a step prints. Both can only stand inside JSON
    strings, where an escape sequence says the same.
    """
    encoded = json.dumps(published, indent=indent, allow_nan=False, sort_keys=False, ensure_ascii=True)
    return encoded.replace("::", ":\\u003a").replace("##[", "#\\u0023[")
