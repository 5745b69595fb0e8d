"""`cd4ml materialize-features`: what the table says is what the gateway reads, run after run, killed or not."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cd4ml.feature_store import layout
from cd4ml.serving.features.entities import entities_of
from cd4ml.serving.features.hashes import Hashes
from cd4ml.serving.features.held import Key
from tests.conftest import ROOT, Run, clean_environment
from tests.serving import redis as real
from tests.serving.redis import until

Cd4ml = Callable[..., Run]
NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[real.Server]:
    """A Redis for all tests of this module."""
    with real.serving() as server:
        yield server


@pytest.fixture
def store(server: real.Server) -> real.Server:
    """The same, empty."""
    server.ask().flushall()
    return server


def write(folder: Path, rows: Sequence[tuple[Any, ...]], columns: str = "customer_id, at, income, city") -> None:
    """Write an offline table."""
    frame = pl.DataFrame(rows, schema=columns.split(", "), orient="row", infer_schema_length=None)
    frame.write_parquet(folder / "features.parquet")


def materialize(cd4ml: Cd4ml, store: real.Server, *arguments: str, **options: Any) -> Run:
    """Run the command on the table."""
    named = ("--entity", "customer_id", "--timestamp", "at", *arguments)
    return cd4ml("materialize-features", "--offline", "features.parquet", "--online", store.url, *named, **options)


def held(store: real.Server, *values: int | str, kind: str = "long") -> list[Mapping[str, Any]]:
    """Return what the gateway reads of entities: values, and the moment under `@`."""

    async def ask() -> list[Mapping[str, Any]]:
        declared = json.dumps({"customer_id": {"type": kind, "features": ["income", "city"]}})
        hashes = Hashes(store.url, entities_of(declared), cluster=False, prefix=layout.PREFIX)
        found = await hashes.get([Key(0, value) for value in values])
        await hashes.close()
        return [{**{name: one.value for name, one in entity.items()}, **moments(entity)} for entity in found]

    return asyncio.run(ask())


def moments(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the moment of an entity's features."""
    return {"@": one.moment for one in entity.values()}


ROWS = [
    (17, NOON - timedelta(hours=3), 100.5, "Oslo"),
    (17, NOON - timedelta(hours=1), 200.25, "Bergen"),
    (18, NOON - timedelta(hours=2), None, "Oslo"),
    (19, NOON + timedelta(days=3650), 9.0, "Paris"),
    (20, NOON - timedelta(hours=9), math.nan, None),
]


def test_gateway__reads_what_the_table_says(
    cd4ml: Cd4ml, store: real.Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The latest row of each entity is what the gateway finds; of the future nothing, and a gap is a null."""
    write(tmp_path, ROWS)

    run = materialize(cd4ml, store, "--as-of", NOON.isoformat(), capsys=capsys)

    assert (run.code, held(store, 17, 18, 19, 20)) == (
        0,
        [
            {"income": 200.25, "city": "Bergen", "@": NOON - timedelta(hours=1)},
            {"income": None, "city": "Oslo", "@": NOON - timedelta(hours=2)},
            {},
            {"income": None, "city": None, "@": NOON - timedelta(hours=9)},
        ],
    )
    assert "3 of 3 entities written" in run.stdout and "1 rows after" in run.stdout


def test_repeated__changes_nothing(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """A second run leaves every byte as it was, an earlier point in time does not go back, a later one goes on."""
    write(tmp_path, ROWS)
    client = store.ask()
    found = []
    for moment in (NOON, NOON, NOON - timedelta(hours=2)):
        assert materialize(cd4ml, store, "--as-of", moment.isoformat()).code == 0
        found.append({key: client.hgetall(key) for key in sorted(client.keys())})
    write(tmp_path, [(17, NOON, 300.0, "Moss")])
    assert materialize(cd4ml, store, "--as-of", NOON.isoformat(), "--features", "income").code == 0

    assert found[0] == found[1] == found[2]
    assert held(store, 17) == [{"income": 300.0, "@": NOON}]  # as a whole: the city was of another moment


def test_ttl__counts_from_the_moment(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """Features go when they are older than they may be, however often they are written; older ones are not written."""
    now = datetime.now(UTC)
    write(tmp_path, [(1, now - timedelta(hours=1), 1.0, "a"), (2, now - timedelta(hours=49), 2.0, "b")])
    for _ in range(2):
        assert materialize(cd4ml, store, "--ttl", "48").code == 0
    client: Any = store.ask()

    assert client.keys() == [layout.key_of("customer_id", 1)]
    expiry = int((now + timedelta(hours=47)).timestamp() * 1000)
    assert client.pexpiretime(layout.key_of("customer_id", 1)) == pytest.approx(expiry, abs=1000)
    assert materialize(cd4ml, store).code == 0
    assert client.pexpiretime(layout.key_of("customer_id", 1)) == -1  # without a limit none stays


def test_texts_name_entities(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """An entity may be named by a text, which is another one than the number of the same digits."""
    write(tmp_path, [("17", NOON, 1.0, "a"), ("ø:*", NOON, 2.0, "b")])

    assert materialize(cd4ml, store, "--as-of", NOON.isoformat()).code == 0
    assert [one.get("income") for one in held(store, "17", "ø:*", kind="string")] == [1.0, 2.0]
    assert held(store, 17) == [{}]


def test_foreign_key__stays(
    cd4ml: Cd4ml, store: real.Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not a hash of this layout is not overwritten: the run fails and says so, and the others are written."""
    client = store.ask()
    client.set(layout.key_of("customer_id", 17), "mine")
    client.hset(layout.key_of("customer_id", 18), "income", "1")
    write(tmp_path, ROWS)

    run = materialize(cd4ml, store, "--as-of", NOON.isoformat(), capsys=capsys)

    assert (run.code, "2 keys hold something else" in run.stdout) == (1, True)
    assert (client.get(layout.key_of("customer_id", 17)), held(store, 20)[0]["city"]) == (b"mine", None)


@pytest.mark.parametrize(
    ("rows", "arguments", "said"),
    [
        ([(1, NOON, 1.0, "a"), (1, NOON, 2.0, "a")], (), "1 entities have several rows"),
        ([(1, NOON, 1.0, "a"), (None, NOON, 2.0, "a")], (), "1 rows have no `customer_id`"),
        ([(1, NOON, 1.0, "a"), (2, None, 2.0, "a")], (), "is no time in 1 rows"),
        ([(1.5, NOON, 1.0, "a")], (), "must hold whole numbers or texts"),
        ([(1, 7, 1.0, "a")], (), "must hold times"),
        ([(1, NOON, [1.0], "a")], (), "is of type List"),
        ([(1, NOON, math.inf, "a")], (), "infinite"),
        (ROWS, ("--features", "incom"), "did you mean `income`"),
        (ROWS, ("--as-of", "2999-01-01T00:00:00Z"), "must not lie in the future"),
        (ROWS, ("--as-of", "2026-01-01"), "needs a time zone"),
        (ROWS, ("--ttl", "0"), "ttl must be above 0"),
    ],
)
def test_what_it_cannot_write__refused(
    cd4ml: Cd4ml,
    store: real.Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rows: Sequence[tuple[Any, ...]],
    arguments: Sequence[str],
    said: str,
) -> None:
    """A table that does not say one thing of each entity is refused in a sentence, and nothing is written."""
    write(tmp_path, rows)

    run = materialize(cd4ml, store, *arguments, capsys=capsys)

    assert (run.code, said in run.stderr, store.ask().dbsize()) == (2, True, 0), run.stderr


def test_store_that_is_gone__is_no_success(cd4ml: Cd4ml, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody there, a full server, and a URL of something else: each has its exit code, and no password is repeated."""
    write(tmp_path, ROWS)
    with real.serving("--maxmemory", "1", "--maxmemory-policy", "noeviction") as full:
        refused = materialize(cd4ml, full, capsys=capsys)
    gone = materialize(cd4ml, full, capsys=capsys)
    arguments = ("--offline", "features.parquet", "--entity", "customer_id", "--timestamp", "at")
    other = cd4ml("materialize-features", *arguments, "--online", "amqp://u:hidden@h", capsys=capsys)

    assert (refused.code, "OutOfMemoryError" in refused.stderr) == (3, True), refused.stderr
    assert (gone.code, full.url in gone.stderr) == (3, True)
    assert (other.code, "hidden" in other.stderr) == (2, False)


def test_cluster(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """A cluster is written as one server is."""
    write(tmp_path, ROWS)
    with real.serving_cluster() as server:
        assert materialize(cd4ml, server, "--cluster", "true", "--as-of", NOON.isoformat()).code == 0
        assert server.ask().dbsize() == 3


def test_killed__the_next_run_writes_the_rest(store: real.Server, cd4ml: Cd4ml, tmp_path: Path) -> None:
    """A run is killed while it writes: no entity is half written, and the next run writes what it did not."""
    count = 20_000
    pl.DataFrame(
        {"customer_id": range(count), "at": [NOON] * count, "income": [float(one) for one in range(count)]}
    ).write_parquet(tmp_path / "features.parquet")
    client: Any = store.ask()
    arguments = ("--online", store.url, "--entity", "customer_id", "--timestamp", "at", "--as-of", NOON.isoformat())
    process = subprocess.Popen(
        [sys.executable, "-m", "cd4ml", "materialize-features", "--offline", "features.parquet", *arguments],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(until(lambda: client.dbsize() > 0, 60))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    some = client.dbsize()
    whole = {layout.LAYOUT, layout.EVENT_TIMESTAMP, b"income"}
    half = [key for key in client.scan(count=200)[1] if set(client.hkeys(key)) != whole]

    assert materialize(cd4ml, store, "--as-of", NOON.isoformat()).code == 0
    assert (0 < some, half, client.dbsize()) == (True, [], count)
    assert client.hget(layout.key_of("customer_id", count - 1), "income") == str(float(count - 1)).encode()
