"""check-features: each kind of skew between the stores is found where it is planted, and none where there is none."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cd4ml.feature_store import layout
from cd4ml.metrics.features.parity import Scalar
from cd4ml.serving.features.held import Value
from cd4ml.stages.check_features.options import Options
from cd4ml.stages.check_features.run import judge
from cd4ml.stages.check_features.sample import Event, Sample
from tests.conftest import Run
from tests.serving import redis as real

Cd4ml = Callable[..., Run]
Rows = dict[int, dict[str, Any]]
COUNT = 150


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


def customers(folder: Path, *, label_hours: float = 5.0, count: int = COUNT) -> tuple[datetime, Rows]:
    """Write an offline table with two rows of each entity, and return what is online when all is well."""
    rng, now = random.Random(1), datetime.now(UTC).replace(microsecond=123456)
    rows, online = [], {}
    for entity in range(count):
        features = {"km": rng.uniform(1, 900), "visits": rng.randrange(50), "city": rng.choice(["Oslo", "Moss"])}
        for hours in (9, 2):
            moment = now - timedelta(hours=hours)
            rows.append(
                {"customer": entity, "at": moment, "labelled": moment + timedelta(hours=label_hours), **features}
            )
            online[entity] = {"@": moment, **features}
            features = features | {"km": rng.uniform(1, 900)}
    pl.DataFrame(rows).write_parquet(folder / "features.parquet")
    return now, online


def serve(store: real.Server, online: Rows) -> None:
    """Write entities to the online store."""
    with store.ask().pipeline(transaction=False) as pipeline:
        for entity, features in online.items():
            given = {name: value for name, value in features.items() if name != "@"}
            fields: dict[Any, Any] = {**layout.fields_of(given, features["@"])}
            pipeline.hset(layout.key_of("customer", entity), mapping=fields)
        pipeline.execute()


def check(cd4ml: Cd4ml, url: str, *arguments: str) -> Run:
    """Run the stage."""
    named = ("--entity", "customer", "--timestamp", "at", "--label-time", "labelled", *arguments)
    return cd4ml("check-features", "--offline", "features.parquet", "--online", url, *named)


def reasons(run: Run) -> dict[str, str]:
    """Return the reason of each check that did not pass, by its id."""
    return {check["id"]: check["reason"] for check in run.report["checks"] if check["status"] != "passed"}


def test_parity__passes(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """Stores that have the same pass, and the report records which entities were drawn: a second run draws the same."""
    _, online = customers(tmp_path)
    serve(store, online)

    one, two = (check(cd4ml, store.url, "--sample-size", "120", "--ttl", "48") for _ in range(2))
    other = check(cd4ml, store.url, "--sample-size", "120", "--sample-seed", "1")

    assert (one.code, reasons(one)) == (0, {})
    drawn = [run.report["details"]["sample"] for run in (one, two, other)]
    assert drawn[0] == drawn[1] != drawn[2] and drawn[0]["entities"] == 120
    assert one.report["seed"] == 0


def metres(row: dict[str, Any], place: int) -> dict[str, Any]:
    """Serve metres for kilometres."""
    return row | {"km": row["km"] * 1000}


SKEWS: Mapping[str, tuple[Callable[[dict[str, Any], int], dict[str, Any] | None], dict[str, str]]] = {
    "metres": (metres, {"parity:km": "another-unit"}),
    "another value, once": (
        lambda row, place: row | {"visits": row["visits"] + 1} if place == 7 else row,
        {"parity:visits": "values-differ"},
    ),
    "a rounded number": (lambda row, place: row | {"km": round(row["km"], 3)}, {"parity:km": "values-differ"}),
    "a gap": (lambda row, place: row | {"city": None} if place == 7 else row, {"parity:city": "values-differ"}),
    "a text": (lambda row, place: row | {"visits": str(row["visits"])}, {"type:visits": "another-type"}),
    "missing, once": (lambda row, place: None if place == 7 else row, {"missing": "not-online"}),
    "not materialized": (
        lambda row, place: row | {"@": row["@"] - timedelta(hours=40)} if place == 7 else row,
        {"lag": "behind-offline", "stale": "older-than-ttl", "events": "unknown-event"},
    ),
    "of the future": (lambda row, place: row | {"@": row["@"] + timedelta(days=9)}, {"readable": "unreadable"}),
}


@pytest.mark.parametrize("skew", SKEWS)
def test_planted_skew__is_found(cd4ml: Cd4ml, store: real.Server, tmp_path: Path, skew: str) -> None:
    """Each kind of skew fails its own check, and no other kind is blamed beside it."""
    change, expected = SKEWS[skew]
    _, online = customers(tmp_path)
    changed = {entity: change(row, entity) for entity, row in online.items()}
    serve(store, {entity: row for entity, row in changed.items() if row is not None})

    run = check(cd4ml, store.url, "--ttl", "36")

    failed = {one["id"]: one["reason"] for one in run.report["checks"] if one["status"] == "failed"}
    assert (run.code, failed) == (1, expected)


def test_metres__are_named(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """The message says which unit was taken for which."""
    _, online = customers(tmp_path)
    serve(store, {entity: metres(row, 0) for entity, row in online.items()})

    (found,) = [one for one in check(cd4ml, store.url).report["checks"] if one["status"] == "failed"]

    assert "online = 1000 x offline: metres for kilometres" in found["message"]
    assert "same unit" in found["advice"]


def test_point_in_time__an_earlier_event_is_compared_with_its_own_row(
    cd4ml: Cd4ml, store: real.Server, tmp_path: Path
) -> None:
    """A store that is some hours behind serves what held then: it differs in no value, and is late only by a limit."""
    now, _ = customers(tmp_path)
    table = pl.read_parquet(tmp_path / "features.parquet").filter(pl.col("at") < now - timedelta(hours=5))
    rows = table.drop("labelled").rename({"at": "@"}).to_dicts()
    serve(store, {row.pop("customer"): row for row in rows})

    assert check(cd4ml, store.url).code == 0
    assert reasons(check(cd4ml, store.url, "--maximum-lag", "6")) == {"lag": "behind-offline"}


@pytest.mark.parametrize(("hours", "found"), [(0.0, {}), (-0.1, {"late-features": "feature-after-label"})])
def test_leakage(cd4ml: Cd4ml, store: real.Server, tmp_path: Path, hours: float, found: Mapping[str, str]) -> None:
    """A feature that is later than its label fails; one of the same moment does not."""
    _, online = customers(tmp_path, label_hours=hours)
    serve(store, online)

    assert reasons(check(cd4ml, store.url)) == found


def test_tolerance(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """What a limit of its own allows a feature is no skew."""
    _, online = customers(tmp_path)
    serve(store, {entity: row | {"km": row["km"] * (1 + 1e-7)} for entity, row in online.items()})

    assert check(cd4ml, store.url, "--tolerance", "km=1e-6").code == 0
    assert "parity:km" in reasons(check(cd4ml, store.url))


def test_few_entities__are_inconclusive(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """Among few entities nothing found is no proof; something found is one."""
    _, online = customers(tmp_path, count=20)
    serve(store, online)
    run = check(cd4ml, store.url)
    store.ask().delete(layout.key_of("customer", 3))
    lacking = check(cd4ml, store.url)

    assert (run.code, set(reasons(run).values())) == (4, {"too-few-entities"})
    assert (lacking.code, reasons(lacking)["missing"]) == (1, "not-online")


def test_empty_store__is_no_parity(cd4ml: Cd4ml, store: real.Server, tmp_path: Path) -> None:
    """A store that holds nothing, or is not there, never passes."""
    customers(tmp_path)

    assert check(cd4ml, store.url).code == 1
    assert check(cd4ml, "redis://127.0.0.1:9").code == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--maximum-missing", "1"), "maximum-missing must be at least 0 and below 1"),
        (("--minimum-entities", "2000"), "no sample would decide anything"),
        (("--feature-view", "v"), "need each other"),
        (("--tolerance", "kn=1"), "tolerance of kn must be"),
        (("--tolerance", "visit=0.1"), "did you mean `visits`"),
        (("--label-time", "city2"), "has no column `city2`"),
        (("--features", "labels"), "has no column `labels`"),
        (("--ttl", "0.5"), "no entity has a row"),
    ],
)
def test_what_decides_nothing__refused(
    cd4ml: Cd4ml, store: real.Server, tmp_path: Path, arguments: Sequence[str], said: str
) -> None:
    """Options that would let any skew pass, or name what is not there, are refused."""
    customers(tmp_path)

    run = check(cd4ml, store.url, *arguments)

    assert run.code == 2
    assert said in run.report["checks"][0]["message"]


@pytest.mark.parametrize("url", ["http://[localhost", "http://", "https://localhost:99999"])
def test_feast__an_address_that_is_none(cd4ml: Cd4ml, tmp_path: Path, url: str) -> None:
    """What is no address of a feature server is refused in a sentence."""
    customers(tmp_path)

    run = check(cd4ml, url, "--feature-view", "v")

    assert (run.code, run.report["checks"][0]["message"][:6]) == (2, "online")


NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
OPTIONS = Options(offline="o", online="redis://h", entity="e", timestamp="t", minimum_entities=50)


def _known(known: Mapping[Event, Sequence[Scalar]], events: Sequence[Event]) -> Mapping[Event, Sequence[Scalar]]:
    """Return what the offline table has of events."""
    return {event: known[event] for event in events}


def test_clean_rounds__raise_no_alarm() -> None:
    """Of 200 rounds in which both stores have the same, with rounding within the tolerance, none fails or is open."""
    for seed in range(200):
        rng = random.Random(seed)
        moment = NOW - timedelta(minutes=rng.randrange(600))
        known: dict[Event, Sequence[Scalar]] = {}
        answers = []
        stamp = int(moment.timestamp() * 1_000_000)
        for entity in range(100):
            value, city = rng.lognormvariate(0, 3), rng.choice(["Oslo", None])
            known[entity, stamp] = [value, city]
            answers.append({"x": Value(value * (1 + rng.uniform(-1, 1) * 1e-9), moment), "city": Value(city, moment)})
        sample = Sample(values=range(100), of=1000, latest=dict.fromkeys(range(100), stamp))
        options = Options(**vars(OPTIONS) | {"tolerance": type(OPTIONS.tolerance)(others=1e-8)})

        checks, _ = judge(sample, answers, ["x", "city"], partial(_known, known), options, NOW)

        assert {check.status for check in checks} == {"passed"}, seed


class _Feast(BaseHTTPRequestHandler):
    """Answers as Feast's feature server does."""

    online: Rows
    changed: dict[str, Any]

    def do_POST(self) -> None:
        """Answer `/get-online-features`."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        entities = asked["entities"]["customer"]
        names = [reference.partition(":")[2] for reference in asked["features"]]
        rows = [self.online[entity] | self.changed for entity in entities]
        always = {"statuses": ["PRESENT"] * len(rows)}
        stamps = {"event_timestamps": [row["@"].isoformat().replace("+00:00", "Z") for row in rows]}
        results = [{"values": entities, **always, **stamps}]
        results += [{"values": [row[name] for row in rows], **always, **stamps} for name in names]
        body = json.dumps({"metadata": {"feature_names": ["customer", *names]}, "results": results}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def feast(online: Rows, changed: Mapping[str, Any]) -> Iterator[str]:
    """Run such a server."""
    handler = type("Handler", (_Feast,), {"online": online, "changed": changed})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_feast(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """A Feast feature server is asked by HTTP, for features of a view; skew is found there too."""
    _, online = customers(tmp_path)
    found = []
    for changed in ({}, {"city": "Bergen"}):
        with feast(online, changed) as url:
            found.append(reasons(check(cd4ml, url, "--feature-view", "customers")))

    assert found == [{}, {"parity:city": "values-differ"}]
