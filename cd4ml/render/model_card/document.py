"""A model card as JSON, for programs."""

from __future__ import annotations

import json
from typing import Any, Final

from cd4ml.published import MODEL_CARD_SCHEMA
from cd4ml.render.model_card.card import Card, shown
from cd4ml.render.model_card.metadata import metadata
from cd4ml.render.model_card.structure import ANNEX_IV, FIELDS, Point
from cd4ml.render.pipeline_run import Entry
from cd4ml.report import v1

_VERSION: Final = "1"


def document(card: Card, *, version: str) -> dict[str, Any]:
    """Return the JSON document.

    Args:
        version: of the cd4ml that makes it.
    """
    return {
        "$schema": MODEL_CARD_SCHEMA,
        "schema_version": _VERSION,
        "tool": {"name": v1.TOOL, "version": version},
        "complete": not card.missing,
        "missing": card.missing,
        "verdict": str(card.run.status),
        "notices": card.notices,
        "git_sha": card.commit,
        "candidate": v1.plain(card.candidate),
        "production": v1.plain(card.production),
        "fields": {name: v1.plain(card.value(name)) for name in FIELDS},
        "reports": [_report(card, entry) for entry in card.run.entries],
        "absent": [{"stage": stage, "status": str(status)} for stage, status in card.run.absent],
        "unreadable": [{"name": name, "why": why} for name, why in card.run.unreadable.items()],
        "annex_iv": [_point(card, point) for point in ANNEX_IV],
        "huggingface": v1.plain(metadata(card)),
    }


def text(card: Card, *, version: str) -> str:
    """Return the document as text."""
    return v1.text(document(card, version=version)) + "\n"


def is_ours(content: str) -> bool:
    """Whether a file's content is such a document."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("$schema") == MODEL_CARD_SCHEMA


def _report(card: Card, entry: Entry) -> dict[str, Any]:
    """Return a report: its verdict and the checks that a card shows."""
    published = entry.published
    return {
        "stage": entry.stage,
        "file": entry.file,
        "link": card.link(entry),
        "status": str(entry.status),
        "warned": entry.warned,
        "summary": published.report.summary or entry.told,
        "git_sha": published.source.git_sha,
        "inputs": v1.plain(published.report.inputs),
        "checks": [v1.check(check) for check in shown(entry)],
    }


def _point(card: Card, point: Point) -> dict[str, Any]:
    """Return a point of Annex IV: where it is answered, and by which reports."""
    return {
        "point": point.number,
        "title": point.title,
        "fields": list(point.fields),
        "not_stated": [name for name in point.fields if card.value(name) is None],
        "stages": list(point.stages),
        "reports": [entry.file for stage in point.stages for entry in card.of_stage(stage)],
    }
