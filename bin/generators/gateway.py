"""The tables of the pages on the gateway and on prediction events: settings, metrics, fields of log and events."""

from __future__ import annotations

from typing import Final

from cd4ml.serving.events import fields as event
from cd4ml.serving.settings import Setting, declared
from cd4ml.serving.telemetry.exporting import VARIABLES
from cd4ml.serving.telemetry.log import FIELDS
from cd4ml.serving.telemetry.metrics.families import FAMILIES, Kind
from generators.marked import with_part

PAGE: Final = "docs/gateway.md"
EVENTS_PAGE: Final = "docs/prediction-events.md"


def page(text: str) -> str:
    """Return the page with its tables."""
    tables = {"settings": _settings(), "log": _log(), "metrics": _metrics()}
    for marker, table in tables.items():
        text = with_part(text, marker, table, where=PAGE)
    return text


def events_page(text: str) -> str:
    """Return the page on prediction events with its table."""
    lines = ["| field | in every event of the gateway | what it holds |", "|---|---|---|"]
    lines += [f"| `{name}` | {'yes' if one.always else ''} | {one.help} |" for name, one in event.FIELDS.items()]
    return with_part(text, "fields", "\n".join(lines), where=EVENTS_PAGE)


def _settings() -> str:
    """Return the table of the settings, and of OpenTelemetry's own variables."""
    lines = ["| variable | kind | default | what it sets |", "|---|---|---|---|"]
    for name, setting in declared():
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{name}` | {_kind(setting)} | {default} | {setting.meaning} |")
    lines += [f"| `{name}` | text |  | {meaning} |" for name, meaning in VARIABLES.items()]
    return "\n".join(lines)


def _kind(setting: Setting) -> str:
    """Return what values a setting takes."""
    if setting.words:
        return " \\| ".join(setting.words)
    return f"{setting.kind}, {setting.least} to {setting.most}" if setting.most else setting.kind


def _log() -> str:
    """Return the table of the fields of log lines."""
    lines = ["| field | what it holds |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items())])


def _metrics() -> str:
    """Return the table of metrics."""
    lines = ["| metric | type | labels | what it counts |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        buckets = ""
        if family.kind is Kind.HISTOGRAM:
            buckets = f" Buckets from {family.buckets[0]:g} to {family.buckets[-1]:g}."
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help}{buckets} |")
    return "\n".join(lines)
