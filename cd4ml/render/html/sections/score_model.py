"""score-model: the models that scored the test rows, and what shut their processes off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cd4ml.render.html import behaviour
from cd4ml.render.html.elements import Content, Html, details, element, joined
from cd4ml.render.html.tables import facts, table
from cd4ml.render.html.values import listed, mapping, numeric
from cd4ml.render.numbers import number
from cd4ml.report import Published


def section(published: Published) -> Html:
    """Return the rows, the models' sizes and locks, and their isolation."""
    found, more = published.report.metrics, published.report.details
    names = dict.fromkeys((*mapping(found, "size_bytes"), *mapping(more, "locks"), *mapping(more, "isolation")))
    rows: list[list[Content]] = [[name, *_model(name, found, more)] for name in names]
    shown = table("Models", ("Model", "Size in bytes", "SHA-256 of its lock"), rows, numeric=(1,))
    shut = [row for name in names for row in _isolation(name, mapping(more, "isolation", name))]
    held = table("Isolation", ("Model", "Shut off from", "Held by"), shut)
    rows_shown = facts([("Test rows", number(numeric(found.get("rows"))))])
    return joined([rows_shown, behaviour.part(mapping(found, "behaviour")), shown, details("Isolation", held)])


def _model(name: str, found: Mapping[str, Any], more: Mapping[str, Any]) -> list[Content]:
    """Return a model's size and the digest of the packages that it ran with."""
    lock = mapping(more, "locks").get(name)
    size = number(numeric(mapping(found, "size_bytes").get(name)))
    return [size, element("code", lock, class_="digest") if isinstance(lock, str) else ""]


def _isolation(name: str, found: Mapping[str, Any]) -> list[list[Content]]:
    """Return what a model's process was shut off from, and what it was not."""
    held: list[list[Content]] = [
        [name, what, ", ".join(map(str, listed(means)))] for what, means in mapping(found, "held").items()
    ]
    return held + [[name, what, "nothing: not shut off"] for what in mapping(found, "missing")]
