"""The alerts on tables in a real Prometheus that reads what check-freshness wrote, to who is called."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from tests.charts.rendering import CHART, of_kind, render
from tests.conftest import Run
from tests.prometheus import prometheus
from tests.real_engines.alertmanager import Labels, alertmanager, receiver
from tests.serving.telemetry.test_gateway import eventually

WRITTEN = "f.prom"
EXPECTED: dict[str, Labels] = {
    "FreshnessNotChecked": {"severity": "warning"},
    "TableOverdue": {"severity": "critical", "table": "late.parquet"},
    "TableNotFresh": {"severity": "warning", "table": "empty.parquet"},
}


class _File(SimpleHTTPRequestHandler):
    """Answers with what was written, as a node exporter does with its textfiles."""

    def translate_path(self, path: str) -> str:
        """Return the file."""
        return super().translate_path(WRITTEN)

    def guess_type(self, path: Any) -> str:
        """Say what Prometheus asks for."""
        return "text/plain; version=0.0.4"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def exporter(folder: Path) -> Iterator[str]:
    """Serve what is written in a folder; yield host and port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_File, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_alerts__reach_who_is_called(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Where nobody checks, and for a table that is overdue since or empty, an alert calls with the table's name; what
    the rules ask for is there."""
    (rule,) = of_kind(render("--values", CHART / "ci" / "everything-values.yaml"), "PrometheusRule")
    (tmp_path / "rules.json").write_text(json.dumps(rule["spec"]))
    stamps = pl.Series("at", [datetime.now(UTC)], dtype=pl.Datetime("us", "UTC"))
    pl.DataFrame([stamps]).write_parquet(tmp_path / "late.parquet")
    pl.DataFrame([stamps.clear()]).write_parquet(tmp_path / "empty.parquet")
    with (
        receiver() as (webhook, alerts),
        exporter(tmp_path) as files,
        alertmanager(tmp_path, webhook) as address,
        prometheus(
            tmp_path,
            [{"targets": [files]}],
            **{"global": {"evaluation_interval": "1s"}},
            rule_files=["rules.json"],
            alerting={"alertmanagers": [{"static_configs": [{"targets": [address]}]}]},
        ) as server,
    ):

        def called(*names: str) -> bool:
            labels = [one["labels"] for one in alerts if one["status"] == "firing"]
            return all(
                any({"alertname": name, **EXPECTED[name]}.items() <= one.items() for one in labels) for name in names
            )

        eventually(lambda: called("FreshnessNotChecked"), seconds=60)
        # Due ten seconds from now: it is fresh, until nobody has written it for so long.
        tables = ("--table", "late.parquet", "--table", "empty.parquet", "--column", "at")
        age = (datetime.now(UTC) - stamps[0]).total_seconds()
        cd4ml("check-freshness", *tables, "--maximum-age", f"{(age + 10) / 3600}", "--textfile", WRITTEN)
        eventually(lambda: called(*EXPECTED), seconds=60)
        asked = {name for one in rule["spec"]["groups"][0]["rules"] for name in re.findall(r"cd4ml_\w+", one["expr"])}
        found = {name: _numbers(server, name) for name in asked}

    assert [name for name, numbers in found.items() if not numbers] == [] and len(asked) == 3
    fresh = {one["metric"]["table"]: one["value"][1] for one in found["cd4ml_table_fresh"]}
    assert fresh == {"late.parquet": "1", "empty.parquet": "0"}


def _numbers(server: str, query: str) -> list[dict[str, Any]]:
    """Return what a query finds."""
    found: list[dict[str, Any]] = httpx.get(f"{server}/api/v1/query", params={"query": query}).json()["data"]["result"]
    return found
