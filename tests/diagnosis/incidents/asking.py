"""Asking `cd4ml diagnose` as programs do."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cd4ml.cli import main
from tests.conftest import ROOT

SCHEMA = json.loads((ROOT / "docs" / "diagnosis.v1.schema.json").read_text())


def diagnosed(
    folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int
) -> dict[str, dict[str, Any]]:
    """Return what the command answers for each incident; fail unless it ends so, and its JSON is as published."""
    with chdir(folder):
        ended = main(["diagnose", "--json", *arguments])
    shown = capsys.readouterr()
    assert ended == code, shown.out + shown.err
    document = json.loads(shown.out)
    jsonschema.validate(document, SCHEMA)
    assert document["status"] == {0: "passed", 1: "failed", 3: "error", 4: "inconclusive"}[code]
    return {one["incident"]: one for one in document["incidents"]}
