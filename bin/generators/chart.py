"""What the Helm chart knows of the gateway's settings, and the table of its values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from cd4ml.serving.settings import Setting, declared
from generators.marked import MarkersError, with_part

CHART: Final = "charts/model-server"
SETTINGS: Final = f"{CHART}/settings.json"
SCHEMA: Final = f"{CHART}/values.schema.json"
README: Final = f"{CHART}/README.md"
# The chart can read files of its own folder alone.
FRESHNESS: Final = "docs/freshness.rules.yaml"
FRESHNESS_RULES: Final = f"{CHART}/rules/freshness.yaml"
# What the chart says itself: a caller who said it would swap the model, move the port or mix the tracks.
OWN: Final = ("HOST", "MODEL_DIRECTORY", "PORT", "SERVICE_FILE", "TRACK")
# The template adds these up, so they cannot come out of a Secret.
ADDED_UP: Final = ("DRAIN_IDLE_SECONDS", "DRAIN_SECONDS", "EVENTS_DRAIN_SECONDS")
_ENV: Final = re.compile(r'(    "env": \{\n      "type": "object",\n      "properties": \{\n).*?(      \},\n)', re.S)


def settings() -> str:
    """Return the defaults of the gateway's settings, which the templates read."""
    return json.dumps({name: setting.default for name, setting in declared()}, indent=2) + "\n"


def schema(text: str) -> str:
    """Return the schema of the values, with what each setting of the gateway takes.

    Raises:
        MarkersError: it has no place for them.
    """
    lines = [
        f"        {json.dumps(name)}: {json.dumps(_takes(name, one))}" for name, one in declared() if name not in OWN
    ]
    made, count = _ENV.subn(lambda found: found[1] + ",\n".join(lines) + "\n" + found[2], text)
    if count != 1:
        raise MarkersError(f"{SCHEMA}: expected the properties of `env` once, found them {count} times")
    return made


def _takes(name: str, setting: Setting) -> dict[str, Any]:
    """Return the JSON Schema of a setting's values."""
    value = {"$ref": "#/definitions/valueFrom"}
    if setting.words:
        forms: list[dict[str, Any]] = [{"enum": list(setting.words)}]
    elif setting.most:
        whole = {"type": "integer", "minimum": setting.least, "maximum": setting.most}
        forms = [whole, {"$ref": "#/definitions/number"}]
    elif setting.kind == "share":
        least = {"minimum": 0} if setting.least == 0 else {"exclusiveMinimum": 0}
        forms = [{"type": "number", **least, "maximum": 1}, {"$ref": "#/definitions/share"}]
    else:
        forms = [{"type": "string"}]
    return {"anyOf": forms if name in ADDED_UP else [*forms, value]}


def readme(text: str, values: str) -> str:
    """Return the chart's README with the table of its values."""
    lines = ["| value | default | what it sets |", "|---|---|---|"]
    lines += [f"| `{path}` | `{default}` | {meaning} |" for path, default, meaning in documented(values)]
    return with_part(text, "values", "\n".join(lines), where=README)


def documented(values: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, default and meaning of every value that a `# --` comment describes."""
    defaults = yaml.safe_load(values)
    way: list[str] = []
    comment: list[str] = []
    for line in values.splitlines():
        text = line.strip()
        if text.startswith("# --"):
            comment = [text[4:].strip()]
        elif text.startswith("#") and comment:
            comment.append(text[1:].strip())
        elif match := re.match(r"( *)([A-Za-z0-9]+):", line):
            way = [*way[: len(match[1]) // 2], match[2]]
            if comment:
                yield ".".join(way), json.dumps(_at(defaults, way)), " ".join(comment)
            comment = []


def _at(values: Any, way: list[str]) -> Any:
    """Return the value at a path."""
    for key in way:
        values = values[key]
    return values
