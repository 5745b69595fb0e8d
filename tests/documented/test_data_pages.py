"""The commands of the pages on fresh tables and on features work as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tests.conftest import ROOT, Run
from tests.serving import redis as real


def commands(page: str) -> list[list[str]]:
    """Return the words of each command that a page shows."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
    lines = [line for block in blocks for line in re.findall(r"^\$ cd4ml (.*)$", block, re.M)]
    return [shlex.split(line, comments=True) for line in lines]


def test_check_freshness__passes_and_fails(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The command of the page passes a table of today, and fails it two days later."""
    (line,) = commands("stages/check-freshness.md")
    (tmp_path / "data").mkdir()
    found = []
    for hours in (3, 51):
        frame = pl.DataFrame({"scored_at": [datetime.now(UTC) - timedelta(hours=hours)], "y_score": [0.5]})
        frame.write_parquet(tmp_path / "data" / "scores.parquet")
        found.append(cd4ml(*line).code)

    assert found == [0, 1]


def test_materialize_features__writes(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The command of the page on features by key writes what it says, to a Redis at another port."""
    (line,) = commands("features.md")
    moment = datetime.now(UTC) - timedelta(hours=1)
    pl.DataFrame({"customer_id": [17], "event_timestamp": [moment], "income": [52000.0]}).write_parquet(
        tmp_path / "features.parquet"
    )
    with real.serving() as server:
        assert cd4ml(*(word.replace(":6379", f":{server.port}") for word in line)).code == 0
        assert server.ask().hget("cd4ml:features:customer_id:17", "income") == b"52000.0"


def test_check_features__passes_and_fails(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The command of the page passes what `materialize-features` wrote, and fails once a value is another one."""
    (check,), (write,) = commands("stages/check-features.md"), commands("features.md")
    moments = [datetime.now(UTC) - timedelta(hours=1)] * 100
    frame = pl.DataFrame({"customer_id": range(100), "event_timestamp": moments, "income": [52000.0] * 100})
    frame.write_parquet(tmp_path / "features.parquet")
    with real.serving() as server:
        there = [[word.replace(":6379", f":{server.port}") for word in line] for line in (write, check)]
        codes = [cd4ml(*line).code for line in there]
        server.ask().hset("cd4ml:features:customer_id:17", "income", "52.0")
        codes.append(cd4ml(*there[1]).code)

    assert codes == [0, 0, 1]
