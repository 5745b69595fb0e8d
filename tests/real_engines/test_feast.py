"""check-features and the gateway on a real Feast: its repository, its materialization to Redis, its server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from tests import models
from tests.conftest import Run, clean_environment, need_program
from tests.ports import free_port
from tests.serving.conftest import running
from tests.serving.conversion import converted, service_of
from tests.serving.redis import serving
from tests.serving.telemetry.test_gateway import eventually

CUSTOMERS, SAMPLE, ROUNDS = 20_000, 10_000, 200
PROGRAM = Path(__file__).with_name("feast_views.py")
TENTH = pl.col("customer_id") % 10 == 0
COLUMNS = ["age", "income", "city"]
# What Feast materializes in place of the offline table's rows: a view for each kind of skew, and which checks fail.
PLANTED: Mapping[str, tuple[pl.Expr, dict[str, str]]] = {
    "value": (
        pl.when(TENTH).then((pl.col("visits") * 7 + 3) % 50).otherwise("visits").alias("visits"),
        {"parity:visits": "values-differ"},
    ),
    "unit": (pl.col("km") * 1000, {"parity:km": "another-unit"}),
    "kind": (pl.col("visits").cast(pl.String), {"type:visits": "another-type"}),
    "gap": (
        pl.when(TENTH).then(None).otherwise("city").alias("city"),
        {"parity:city": "values-differ"},
    ),
}


def offline(folder: Path) -> pl.DataFrame:
    """Write the table that training reads: of each customer a row of 40 hours ago and one of the last hours."""
    rng, now = np.random.default_rng(0), datetime.now(UTC)
    tables = []
    for hours in (40.0, 0.5):
        ages = hours + rng.uniform(0, 2, CUSTOMERS)
        moments = [now - timedelta(hours=age) for age in ages]
        made = {
            "customer_id": np.arange(CUSTOMERS),
            "at": moments,
            "labelled": [moment + timedelta(seconds=1) for moment in moments],
            "income": rng.normal(3.0, 1.0, CUSTOMERS),
            "km": rng.lognormal(3, 2, CUSTOMERS),
            "visits": rng.integers(0, 50, CUSTOMERS),
            "city": rng.choice(["Oslo", "Bergen", "Tromsø"], CUSTOMERS),
            "member": rng.random(CUSTOMERS) < 0.3,
        }
        tables.append(pl.DataFrame(made))
    table = pl.concat(tables)
    table.write_parquet(folder / "customers.parquet")
    return table


def plant(folder: Path, table: pl.DataFrame) -> list[str]:
    """Write the tables of the other views; return their names."""
    for name, (change, _) in PLANTED.items():
        table.with_columns(change).write_parquet(folder / f"{name}.parquet")
    newest = pl.col("at") == pl.col("at").max().over("customer_id")
    table.filter(~(newest & TENTH)).write_parquet(folder / "stale.parquet")
    table.filter(~TENTH).write_parquet(folder / "missing.parquet")
    return [*PLANTED, "stale", "missing"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the offline table and the feature repository are."""
    return tmp_path_factory.mktemp("feast")


@pytest.fixture(scope="module")
def feast(folder: Path) -> Iterator[str]:
    """The address of a feature server on what was materialized to a real Redis."""
    python, port = need_program("feast"), free_port()
    names = ["customers", *plant(folder, offline(folder))]
    with serving() as redis:
        done = subprocess.run(
            [python, PROGRAM, str(redis.port), *names],
            cwd=folder,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        command = [python, "-m", "feast.cli.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(command, cwd=folder, env=clean_environment(), stdout=log, stderr=log)
        try:
            # Feast's imports alone take ten seconds of an idle core.
            eventually(lambda: server.poll() is not None or answers(f"http://127.0.0.1:{port}"), seconds=300)
            assert server.poll() is None, (folder / "server.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def answers(address: str) -> bool:
    """Whether the server does."""
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def check(cd4ml: Callable[..., Run], feast: str, folder: Path) -> Callable[..., Run]:
    """Run check-features on a view, with what else is asked for."""

    def run(view: str, *more: str, table: Path = folder / "customers.parquet", size: int = SAMPLE) -> Run:
        named = ("--entity", "customer_id", "--timestamp", "at", "--label-time", "labelled", "--feature-view", view)
        sizes = ("--sample-size", str(size))
        return cd4ml("check-features", "--offline", str(table), "--online", feast, *named, *sizes, *more)

    return run


def failed(run: Run) -> dict[str, str]:
    """Return the reason of each check that did not pass, by its id."""
    return {check["id"]: check["reason"] for check in run.report["checks"] if check["status"] != "passed"}


def test_parity__exact(check: Callable[..., Run]) -> None:
    """10,000 of 20,000 entities have what training reads, to the last bit and the microsecond, in all five features."""
    run = check("customers", "--ttl", "48")

    assert (run.code, failed(run)) == (0, {})
    assert run.report["metrics"]["entities"] == {
        "sampled": SAMPLE,
        "of": CUSTOMERS,
        "missing": 0,
        "unusable": 0,
        "unmatched": 0,
    }
    assert {numbers["equal"] for numbers in run.report["metrics"]["features"].values()} == {SAMPLE}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted__found(check: Callable[..., Run], kind: str) -> None:
    """What Feast was given otherwise fails the check of its own, and nothing else."""
    run = check(kind)

    assert (run.code, failed(run)) == (1, PLANTED[kind][1])
    if kind == "unit":
        assert any("metres for kilometres" in one["message"] for one in run.report["checks"])


def test_stale__found(check: Callable[..., Run]) -> None:
    """Entities whose newest row was never materialized are behind, and no value of theirs is blamed."""
    assert failed(check("stale")) == {"lag": "behind-offline"}
    assert failed(check("stale", "--ttl", "24")) == {"lag": "behind-offline", "stale": "older-than-ttl"}


def test_missing__found(check: Callable[..., Run]) -> None:
    """Entities that were never materialized are missing."""
    run = check("missing")

    assert failed(run) == {"missing": "not-online"}
    assert 900 < run.report["metrics"]["entities"]["missing"] < 1_100


def test_leakage__found(check: Callable[..., Run], folder: Path, tmp_path: Path) -> None:
    """A single row whose features are later than its label is found, though the stores agree."""
    leaking = pl.when(pl.int_range(pl.len()) == 7).then(pl.col("at") - timedelta(seconds=1)).otherwise("labelled")
    table = pl.read_parquet(folder / "customers.parquet").with_columns(labelled=leaking)
    table.write_parquet(tmp_path / "leaking.parquet")

    assert failed(check("customers", table=tmp_path / "leaking.parquet", size=1_000)) == {
        "late-features": "feature-after-label"
    }


def test_clean_rounds__raise_no_alarm(check: Callable[..., Run]) -> None:
    """Of 200 rounds, each with its own sample of 1,000 entities, none fails or is left open."""
    alarms = {seed: failed(check("customers", "--sample-seed", str(seed), size=1_000)) for seed in range(1, ROUNDS + 1)}

    assert [found for found in alarms.values() if found] == []


def test_gateway__predicts_from_it(feast: str, folder: Path, tmp_path: Path) -> None:
    """A request that names entities gets what whole rows get: the gateway takes their features from Feast."""
    frame = models.people()
    model = converted(models.classifier(frame), frame[COLUMNS], tmp_path / "model")
    newest = pl.read_parquet(folder / "customers.parquet").sort("at").group_by("customer_id").last().head(100)
    features = {"customer_id": {"type": "long", "features": ["customers:income", "customers:city"]}}
    env = {"FEATURE_STORE_URL": feast, "FEATURE_ENTITIES": json.dumps(features), "FEATURE_BUDGET_MS": "5000"}
    with running(model, tmp_path, env=env, **service_of(model)) as gateway:
        gateway.until(200)
        rows = [{"age": 40, **row} for row in newest.select("income", "city").to_dicts()]
        keys = [{"age": 40, "customer_id": key} for key in newest["customer_id"]]
        by_key = gateway.client.post("/predict", json={"entities": keys})

        assert by_key.status_code == 200, by_key.text
        assert by_key.json()["predictions"] == gateway.predict(rows).json()["predictions"]
        assert gateway.client.post("/predict", json={"entities": [{"age": 40, "customer_id": -1}]}).status_code == 422
