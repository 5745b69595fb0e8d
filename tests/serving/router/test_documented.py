"""What the page on the router says of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cd4ml.serving.router.routes import read
from cd4ml.serving.router.settings import RouterSettings
from cd4ml.serving.settings import declared
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "router.md").read_text(encoding="utf-8")


def test_the_file_that_is_shown_is_read(tmp_path: Path) -> None:
    """The routes of the first example are routes, with its tracks and its shadow."""
    (shown,) = re.findall(r"^\$ cat routes.json\n(\{.*?^\})$", PAGE, re.M | re.S)
    (tmp_path / "routes.json").write_text(shown)
    routes = read(tmp_path / "routes.json")
    assert [track.name for track in routes.tracks] == ["stable", "canary"]
    assert routes.shadow is not None and routes.shadow.name == "next"


def test_settings__those_of_the_code() -> None:
    """The table lists every variable with its default and its meaning."""
    listed = re.findall(r"^\| `([A-Z_]+)` \|(?: `([^`]*)` | )\| (.*) \|$", PAGE, re.M)
    assert listed == [(name, setting.default, setting.meaning) for name, setting in declared(RouterSettings)]


def test_codes__those_of_the_code() -> None:
    """The page lists exactly the refusals of the router itself, each with its status."""
    sources = sorted((ROOT / "cd4ml" / "serving" / "router").glob("*.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    written = set(re.findall(r"Refused\((\d+), \"([a-z-]+)\"", text)) - {("404", "not-found")}
    assert set(re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", PAGE, re.M)) == written


def test_the_pair_that_is_shown_has_the_keys_of_a_pair() -> None:
    """The line that the page shows is JSON with what is recorded."""
    (shown,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)
    assert set(json.loads(shown)) == {"time", "trace_id", "track", "shadow", "rows", "differing", "predictions"}
