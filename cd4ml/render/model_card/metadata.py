"""The metadata of Hugging Face's model card, from which its hub makes filters and tables."""

from __future__ import annotations

from typing import Any, Final

from cd4ml.render.model_card.card import Card, results
from cd4ml.render.pipeline_run import Entry
from cd4ml.report import Check
from cd4ml.wording import safe

# Fields of `model-card` -> their names on the hub, in the order of its own example.
_FIELDS: Final = {
    "language": "language",
    "license": "license",
    "license-name": "license_name",
    "license-link": "license_link",
    "library-name": "library_name",
    "pipeline-tag": "pipeline_tag",
    "tags": "tags",
    "datasets": "datasets",
    "base-model": "base_model",
}


def metadata(card: Card) -> dict[str, Any]:
    """Return the metadata; what nobody states is left out."""
    given = {name: _plain(card.stated[field]) for field, name in _FIELDS.items() if card.stated.get(field)}
    found = results(card)
    if not found:
        return given
    metrics = list(dict.fromkeys(_metric_id(check) for _, check in found))
    return {**given, "metrics": metrics, "model-index": [_model_index(card, found)]}


def text(card: Card) -> str:
    """Return the metadata as YAML, in which no text from data can end the block."""
    import yaml  # the help of the command does without

    # One line a value: a line of its own that reads `---` would end the block.
    return str(
        yaml.safe_dump(metadata(card), sort_keys=False, allow_unicode=False, width=2**31, default_flow_style=False)
    )


def _model_index(card: Card, found: list[tuple[Entry, Check]]) -> dict[str, Any]:
    """Return the results of the candidate as the hub's tables have them: one for each report."""
    entries = {entry.file: entry for entry, _ in found}
    name = card.value("name")
    return {
        "name": _plain(name) if name else "not stated",
        "results": [
            {
                "task": {"type": _task(card, entry)},
                "dataset": _dataset(entry),
                "metrics": [_metric(check, entry) for other, check in found if other.file == file],
            }
            for file, entry in entries.items()
        ],
    }


def _task(card: Card, entry: Entry) -> str:
    """Return the task as somebody stated it for the hub, else as evaluate-model was told."""
    stated = card.stated.get("pipeline-tag") or entry.published.options.get("task")
    return _line(str(stated or "not stated"))


def _dataset(entry: Entry) -> dict[str, str]:
    """Return the table that a report judged, by its digest."""
    for table in entry.published.report.inputs:
        return {"type": _line(table.name), "name": _line(table.path), "revision": table.sha256}
    return {"type": "not stated", "name": "not stated"}


def _metric(check: Check, entry: Entry) -> dict[str, Any]:
    """Return a result, named so that its check is found."""
    name = f"{check.metric} ({check.id} in {entry.file})"
    return {"type": _metric_id(check), "value": check.value, "name": _line(name)}


def _metric_id(check: Check) -> str:
    """Return a metric's name as the hub writes them."""
    return _line(str(check.metric)).replace("-", "_")


def _plain(value: object) -> Any:
    """Return what people say as YAML holds it."""
    return [_line(str(item)) for item in value] if isinstance(value, list | tuple) else _line(str(value))


def _line(text: str) -> str:
    """Return a text in one line."""
    return safe(" ".join(text.split()))
