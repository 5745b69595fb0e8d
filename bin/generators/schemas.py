"""The JSON Schemas of cd4ml.yaml, of a file of behaviour tests and of a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cd4ml.inputs.model_card import SECTION as MODEL_CARD
from cd4ml.inputs.model_card import ModelCardFields
from cd4ml.inputs.options import Kind, Option, declared
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.published import (
    BEHAVIOUR_SCHEMA,
    CONFIG_SCHEMA,
    DIAGNOSIS_SCHEMA,
    MODEL_CARD_SCHEMA,
    PREDICTION_EVENT_SCHEMA,
    REPORT_SCHEMA,
    TRACE_SCHEMA,
)
from cd4ml.render.model_card.structure import ANNEX_IV, FIELDS
from cd4ml.report import Bound, Status
from cd4ml.report.diagnosis import Answer, Incident
from cd4ml.report.trace import Looked, Topic
from cd4ml.scoring.behaviour.declared import MOST_POINTS, SECTIONS, Key
from cd4ml.scoring.behaviour.declared import Kind as KeyKind
from cd4ml.serving.events import fields as event
from cd4ml.stages import STAGES, declaration

_JSON_TYPES: Final[dict[Kind, dict[str, Any]]] = {
    Kind.TEXT: {"type": ["string", "number"]},
    Kind.CHARACTER: {"type": "string"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.LIST: {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": ["string", "number"]}}]},
    Kind.NUMBERS: {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "number"}}]},
    Kind.TEXTS: {
        "oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": ["string", "number"]}}]
    },
    Kind.LIMIT: {
        "oneOf": [{"type": ["number", "string"]}, {"type": "object", "additionalProperties": {"type": "number"}}]
    },
}
_VALUE: Final = {"type": ["string", "number", "boolean"]}
_OF_DATA: Final[dict[Kind, dict[str, Any]]] = {
    Kind.TEXT: _VALUE,
    Kind.TEXTS: {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": _VALUE}]},
}
_NAME: Final = {"type": "string", "minLength": 1}
_OF_TESTS: Final[dict[KeyKind, dict[str, Any]]] = {
    KeyKind.NAMES: {"oneOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1, "uniqueItems": True}]},
    KeyKind.TEXT: _NAME,
    KeyKind.MOST: {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    KeyKind.LEAST: {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    KeyKind.POSITIVE: {"type": "number", "exclusiveMinimum": 0},
    KeyKind.POINTS: {"type": "integer", "minimum": 2, "maximum": MOST_POINTS},
    KeyKind.FLAG: {"type": "boolean"},
}
_TEXT: Final = {"type": "string"}
_OPTIONAL_TEXT: Final = {"type": ["string", "null"]}
_SHA: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SCALAR: Final = {"type": ["number", "string", "boolean"]}
_STATUS: Final = {"enum": [str(status) for status in Status]}
_LOCATION: Final = {
    "type": "object",
    "required": ["path"],
    "properties": {"path": _TEXT, "line": {"type": ["integer", "null"]}, "column": {"type": ["integer", "null"]}},
}
_INTERVAL: Final = {
    "type": "object",
    "required": ["lower", "upper", "confidence", "method"],
    "properties": {name: {"type": ["number", "null"]} for name in ("lower", "upper", "confidence")}
    | {"method": _TEXT, "of": {"enum": ["value", "difference"]}},
}
_CHECK: Final = {
    "type": "object",
    "required": ["id", "status", "message"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "description": "The same in every run, and unique in a report."},
        "status": _STATUS,
        "message": _TEXT,
        "reason": _TEXT,
        "advice": _TEXT,
        "metric": _TEXT,
        "value": _SCALAR,
        "interval": _INTERVAL,
        "limit": _SCALAR,
        "bound": {"enum": [str(bound) for bound in Bound]},
        "baseline": _SCALAR,
        "slice": {"type": "object", "additionalProperties": _TEXT},
        "n": {"type": "integer", "minimum": 0},
        "location": _LOCATION,
        "option": {"type": "array", "items": _TEXT, "minItems": 1},
        "set_at": _LOCATION,
    },
}
_MODEL: Final = {
    "type": ["object", "null"],
    "required": ["uri", "sha256"],
    "properties": {
        "uri": _TEXT,
        "sha256": _SHA,
        "name": _OPTIONAL_TEXT,
        "version": _OPTIONAL_TEXT,
        "alias": _OPTIONAL_TEXT,
    },
}
_DIGEST: Final = {
    "type": "object",
    "required": ["name", "path", "sha256"],
    "properties": {"name": _TEXT, "path": _TEXT, "sha256": _SHA, "rows": {"type": ["integer", "null"]}},
}
_REPORT: Final = {
    "schema_version": {"const": "1"},
    "tool": {
        "type": "object",
        "required": ["name", "version"],
        "properties": {"name": {"const": "cd4ml"}, "version": _TEXT},
    },
    "stage": {"enum": list(STAGES)},
    "status": _STATUS,
    "summary": _TEXT,
    "source": {
        "type": "object",
        "required": ["git_sha"],
        "properties": {
            "git_sha": _OPTIONAL_TEXT,
            "modified": {"type": ["array", "null"], "items": {"type": "string"}},
        },
    },
    "candidate": _MODEL,
    "production": _MODEL,
    "inputs": {"type": "array", "items": _DIGEST},
    "options": {"type": "object"},
    "seed": {"type": ["integer", "null"]},
    "checks": {"type": "array", "items": _CHECK},
    "metrics": {"type": "object"},
    "details": {"type": "object"},
    "outputs": {"type": "object", "additionalProperties": _TEXT},
    "plan": {"type": "array", "items": _TEXT},
    "run": {"type": "object"},
}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the JSON Schema of an object with exactly these properties."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
        **more,
    }


_LIST_OF_TEXTS: Final = {"type": "array", "items": _TEXT}
_MODEL_CARD: Final = {
    "$schema": {"const": MODEL_CARD_SCHEMA},
    "schema_version": {"const": "1"},
    "tool": _REPORT["tool"],
    "complete": {"type": "boolean"},
    "missing": {**_LIST_OF_TEXTS, "description": "Required fields, and `report:<stage>` for numbers."},
    "verdict": _STATUS,
    "notices": {**_LIST_OF_TEXTS, "description": "What the reports do not agree on."},
    "git_sha": _OPTIONAL_TEXT,
    "candidate": _MODEL,
    "production": _MODEL,
    "fields": _object(
        {name: {"type": ["string", "boolean", "array", "null"], "items": _TEXT} for name in FIELDS},
        description="null: not stated.",
    ),
    "reports": {
        "type": "array",
        "items": _object(
            {
                "stage": {"enum": list(STAGES)},
                "file": _TEXT,
                "link": _TEXT,
                "status": _STATUS,
                "warned": {"type": "boolean"},
                "summary": _TEXT,
                "git_sha": _OPTIONAL_TEXT,
                "inputs": _REPORT["inputs"],
                "checks": {
                    "type": "array",
                    "items": _CHECK,
                    "description": "Those that did not pass, and those with a number.",
                },
            }
        ),
    },
    "absent": {
        "type": "array",
        "items": _object({"stage": _TEXT, "status": {"enum": ["not-run", "skipped", "missing"]}}),
    },
    "unreadable": {"type": "array", "items": _object({"name": _TEXT, "why": _TEXT})},
    "annex_iv": {
        "type": "array",
        "items": _object(
            {
                "point": {"enum": [point.number for point in ANNEX_IV]},
                "title": _TEXT,
                "fields": _LIST_OF_TEXTS,
                "not_stated": _LIST_OF_TEXTS,
                "stages": _LIST_OF_TEXTS,
                "reports": _LIST_OF_TEXTS,
            }
        ),
    },
    "huggingface": {"type": "object", "description": "The metadata of Hugging Face's model card."},
}

_TRACE: Final = {
    "$schema": {"const": TRACE_SCHEMA},
    "schema_version": {"const": "1"},
    "tool": _REPORT["tool"],
    "subject": {**_TEXT, "description": "As it was asked for."},
    "kind": {"enum": ["image", "model", "commit"]},
    "status": {
        "enum": ["passed", "failed", "inconclusive", "error"],
        "description": "Whether sources agree: failed if they contradict each other, error if one could not be read, "
        "inconclusive if none says anything.",
    },
    "contradictions": _LIST_OF_TEXTS,
    "facts": {
        "type": "array",
        "items": _object(
            {
                "topic": {"enum": list(map(str, Topic))},
                "name": _TEXT,
                "sayings": {
                    "type": "array",
                    "minItems": 1,
                    "items": _object({"value": _TEXT, "by": _LIST_OF_TEXTS}),
                    "description": "More than one is a contradiction.",
                },
            }
        ),
    },
    "verdicts": {
        "type": "array",
        "items": _object(
            {
                "stage": {"enum": list(STAGES)},
                "file": _TEXT,
                "status": _STATUS,
                "summary": _TEXT,
                "git_sha": _OPTIONAL_TEXT,
                "version": {**_TEXT, "description": "Of the cd4ml that made the report."},
                "checks": {"type": "array", "items": _CHECK},
            }
        ),
    },
    "documents": {
        "type": "array",
        "items": _object({"kind": _TEXT, "place": _TEXT, "signature": _TEXT, "note": _TEXT}),
    },
    "events": {
        "type": "array",
        "items": _object(
            {
                "kind": {"enum": ["deployed", "promoted", "rolled-back", "changed"]},
                "commit": _TEXT,
                "title": _TEXT,
                "time": _OPTIONAL_TEXT,
                "author": _OPTIONAL_TEXT,
                "committer": _OPTIONAL_TEXT,
                "signature": _TEXT,
                "trailers": {"type": "object", "additionalProperties": _TEXT},
            }
        ),
    },
    "notices": _LIST_OF_TEXTS,
    "sources": {
        "type": "array",
        "items": _object({"name": _TEXT, "place": _TEXT, "looked": {"enum": list(map(str, Looked))}, "message": _TEXT}),
    },
}
_DIAGNOSIS: Final = {
    "$schema": {"const": DIAGNOSIS_SCHEMA},
    "schema_version": {"const": "1"},
    "tool": _REPORT["tool"],
    "status": {
        "enum": ["passed", "failed", "inconclusive", "error"],
        "description": "failed if an incident was found, error if a source could not be read, inconclusive if one "
        "could not be told; passed only if each was looked for and none is there.",
    },
    "summary": _TEXT,
    "incidents": {
        "type": "array",
        "items": _object(
            {
                "incident": {"enum": list(map(str, Incident))},
                "answer": {"enum": list(map(str, Answer))},
                "told": _TEXT,
                "evidence": {
                    "type": "array",
                    "items": _object(
                        {
                            "says": _TEXT,
                            "source": {**_TEXT, "description": "A file with its line, or an address with the metric."},
                            "value": {"type": ["number", "null"]},
                            "interval": {"oneOf": [_INTERVAL, {"type": "null"}]},
                            "contradicts": {"type": "boolean", "description": "It speaks against the answer."},
                        }
                    ),
                },
                "changes": {
                    "type": "array",
                    "items": _object({"place": _TEXT, "to": _TEXT, "key": _TEXT, "now": _TEXT}),
                },
                "lacking": {**_LIST_OF_TEXTS, "description": "Why it cannot be told."},
            }
        ),
    },
    "sources": _TRACE["sources"],
}


def config_schema() -> str:
    """Return the JSON Schema of cd4ml.yaml."""
    sections: dict[str, Any] = {}
    everything: dict[str, Any] = {}
    for stage, info in STAGES.items():
        options = (*declared(declaration(stage).Options), *declared(RunOptions))
        properties = {option.name: _option(option) for option in options if option.in_config}
        for name, schema in properties.items():
            everything.setdefault(name, {key: value for key, value in schema.items() if key != "description"})
        sections[stage] = _section(info.summary, properties)
    fields = declared(ModelCardFields)
    sections[MODEL_CARD] = _section("What no report can know of a model card.", {o.name: _option(o) for o in fields})
    sections["defaults"] = _section("Options that several stages share.", everything)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": CONFIG_SCHEMA,
        "title": "cd4ml.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def behaviour_schema() -> str:
    """Return the JSON Schema of a file of behaviour tests."""
    sections = {
        name: {"type": "array", "minItems": 1, "items": _behaviour_test(keys)} for name, keys in SECTIONS.items()
    }
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": BEHAVIOUR_SCHEMA,
        "title": "Behaviour tests of score-model",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": sections,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _behaviour_test(keys: Mapping[str, Key]) -> dict[str, Any]:
    """Return the JSON Schema of a test with these keys; a key that belongs to one change demands it."""
    choices = {name: {"enum": list(map(str, key.choices))} for name, key in keys.items() if key.choices}
    properties = {
        name: {"description": key.help, **(choices.get(name) or _OF_TESTS[key.kind])} for name, key in keys.items()
    }
    of_one = {name: {"properties": {"change": {"const": str(key.change)}}} for name, key in keys.items() if key.change}
    return {
        "type": "object",
        "required": [name for name, key in keys.items() if key.required],
        "additionalProperties": False,
        "properties": properties,
        **({"dependentSchemas": of_one} if of_one else {}),
    }


def report_schema() -> str:
    """Return the JSON Schema of a report, version 1."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": REPORT_SCHEMA,
        "title": "Report of a cd4ml stage, version 1",
        "type": "object",
        "required": list(_REPORT),
        "additionalProperties": False,
        "properties": _REPORT,
    }
    return json.dumps(document, indent=2) + "\n"


def model_card_schema() -> str:
    """Return the JSON Schema of a model card, version 1."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": MODEL_CARD_SCHEMA,
        "title": "Model card of cd4ml report, version 1",
        **_object(_MODEL_CARD),
    }
    return json.dumps(document, indent=2) + "\n"


def trace_schema() -> str:
    """Return the JSON Schema of a story, version 1."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": TRACE_SCHEMA,
        "title": "Story of cd4ml trace, version 1",
        **_object(_TRACE),
    }
    return json.dumps(document, indent=2) + "\n"


def diagnosis_schema() -> str:
    """Return the JSON Schema of a diagnosis, version 1."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": DIAGNOSIS_SCHEMA,
        "title": "Diagnosis of cd4ml diagnose, version 1",
        **_object(_DIAGNOSIS),
    }
    return json.dumps(document, indent=2) + "\n"


def prediction_event_schema() -> str:
    """Return the JSON Schema of a prediction event, version 1."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": PREDICTION_EVENT_SCHEMA,
        "title": "Prediction event, version 1",
        "type": "object",
        "required": list(event.DEMANDED),
        "anyOf": [{"required": [name]} for name in event.ONE_OF],
        "additionalProperties": True,
        "properties": {name: {"description": one.help, **one.schema} for name, one in event.FIELDS.items()},
    }
    return json.dumps(document, indent=2) + "\n"


def _option(option: Option) -> dict[str, Any]:
    """Return the JSON Schema of an option in cd4ml.yaml."""
    if option.kind is Kind.CHOICE:
        return {"description": option.help, "enum": list(option.choices)}
    kind = _OF_DATA[option.kind] if option.of_data else _JSON_TYPES[option.kind]
    return {"description": option.help, **kind}


def _section(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a section."""
    return {
        "description": description,
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }
