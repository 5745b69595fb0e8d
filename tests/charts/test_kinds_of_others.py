"""Objects of kinds that others define are valid by their own definitions, of which unknown fields are refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.charts.rendering import CASES, OF_KUBERNETES, render
from tests.conftest import need_program


@cache
def validators() -> Mapping[tuple[str, str], Draft202012Validator]:
    """Return a validator of each kind and version."""
    text = Path(need_program("crds")).read_text(encoding="utf-8")
    found = [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]
    return {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): Draft202012Validator(
            _closed(version["schema"]["openAPIV3Schema"], top=True)
        )
        for crd in found
        for version in crd["spec"]["versions"]
    }


def _closed(schema: Any, *, top: bool = False) -> Any:
    """Return a schema in which an object has only the fields that it names, as the API server prunes others."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _closed(value) for key, value in schema.items() if key not in ("format", "default")}
    if "properties" in schema:
        made["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        if top:
            made["properties"]["metadata"] = True
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            made["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    return made


def errors(item: dict[str, Any]) -> list[str]:
    """Return what is wrong with an object."""
    validator = validators()[item["apiVersion"], item["kind"]]
    return [f"{'/'.join(map(str, one.absolute_path))}: {one.message}" for one in validator.iter_errors(item)]


def others(values: Path) -> list[dict[str, Any]]:
    """Return the objects of kinds that are not Kubernetes' own."""
    return [item for item in render("--values", values) if item["apiVersion"] not in OF_KUBERNETES]


@pytest.mark.parametrize("values", CASES, ids=lambda path: path.name)
def test_valid(values: Path) -> None:
    """Every object that the chart renders for a controller is one that the controller's definition takes."""
    for item in others(values):
        assert errors(item) == [], item


def test_definitions__refuse_what_is_wrong() -> None:
    """A misspelt field, a weight below 0 and a share as text are found: the definitions are looked at in depth."""
    (route,) = [
        item
        for case in CASES
        if case.name.startswith("traffic")
        for item in others(case)
        if item["kind"] == "HTTPRoute"
    ]
    for field, value in (("weigth", 1), ("weight", -5), ("weight", "5")):
        wrong = copy.deepcopy(route)
        wrong["spec"]["rules"][0]["backendRefs"][0][field] = value
        assert errors(wrong)
