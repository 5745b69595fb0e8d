"""Events are the same wherever they lie; what cannot be read is counted and named; what is not there never passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cd4ml.errors import Cd4mlError, OptionsError, UnavailableError
from cd4ml.observe.events.sources import parts
from tests.events import CANARY, STABLE, events, lines, write
from tests.serving.events import brokers
from tests.serving.redis import serving


def read(*places: str) -> pl.DataFrame:
    """Return all events of places."""
    every = pl.concat([part.events for part in parts(places)])
    return every.with_columns(pl.col("prediction").struct.unnest(), pl.col("model").struct.field("sha256")).drop(
        "prediction", "model"
    )


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    """Return some events."""
    return events(STABLE, CANARY, rows=300)


def parquet(path: Path, found: list[dict[str, Any]]) -> Path:
    """Write events as a tool that reads JSON lines would."""
    text = "".join(lines(found)).encode()
    frame = pl.read_ndjson(text, infer_schema_length=None)
    frame.with_columns(pl.col("time").str.to_datetime(time_zone="UTC")).write_parquet(path)
    return path


def test_parquet__is_read_as_lines_are(tmp_path: Path, found: list[dict[str, Any]]) -> None:
    """JSON lines and the Parquet file made of them hold the same events, features among them."""
    first = read(str(write(tmp_path / "events.jsonl", found)))
    second = read(str(parquet(tmp_path / "events.parquet", found)))

    assert first.drop("features", "time").equals(second.drop("features", "time"))
    assert first["time"].equals(second["time"])
    answered = (frame.filter(pl.col("y_pred").is_not_null())["features"] for frame in (first, second))
    assert all(json.loads(one) == json.loads(other) for one, other in zip(*answered, strict=True))


def test_folder__holds_rotated_files(tmp_path: Path, found: list[dict[str, Any]]) -> None:
    """A folder stands for its files of events, those that the gateway rotated too, and for nothing else in it."""
    write(tmp_path / "events.jsonl", found[:100])
    write(tmp_path / "events.jsonl.1", found[100:200])
    parquet(tmp_path / "older.parquet", found[200:])
    (tmp_path / "notes.txt").write_text("not events")

    assert sorted(read(str(tmp_path))["id"]) == sorted(event["id"] for event in found)


POISON = (
    (b'{"id": 3', "is not a JSON object"),
    (b"[1]", "is not a JSON object"),
    (b"\xff\xfe", "is not a JSON object"),
    (b"null", "is not a JSON object"),
    (b'{"id": "x", "status": "many"}', "is not a JSON object"),
    (b'{"id": "x", "latency_ms": NaN}', "is not a JSON object"),
    (b"{}", "has no id, time, track"),
    (b'{"id": "x", "time": "yesterday", "track": "canary", "status": 200}', "not valid"),
    (b'{"id": "x", "time": "2026-01-01T00:00:00", "track": "canary", "status": 200}', "not valid"),
    (b'{"id": "x", "time": "2026-01-01T00:00:00Z", "track": "canary"}', "neither status nor prediction"),
    (b'{"id": "x", "time": "2026-01-01T00:00:00Z", "track": "canary", "status": 900}', "not valid"),
    (b'{"id": "x", "time": "2026-01-01T00:00:00Z", "track": "a", "status": 200, "latency_ms": -1}', "not valid"),
)


@pytest.mark.parametrize(("line", "reason"), POISON, ids=range(len(POISON)))
def test_poison__named_with_its_line(tmp_path: Path, found: list[dict[str, Any]], line: bytes, reason: str) -> None:
    """A line that is no event is named by file and number; the others around it are read."""
    whole = [text.encode() for text in lines(found[:50])]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join([*whole[:20], b"\n", line + b"\n", *whole[20:]]))

    (part,) = parts([str(path)])

    assert (len(part.events), part.poisoned) == (50, 1)
    assert part.unreadable[0].place == f"{path}:22"
    assert reason in part.unreadable[0].reason


def test_no_events__refused(tmp_path: Path) -> None:
    """A file of something else is refused before all of it has been read."""
    path = tmp_path / "events.jsonl"
    path.write_text("a line of a log\n" * 12_000)

    with pytest.raises(OptionsError, match="more than 10,000 lines are not prediction events"):
        list(parts([str(path)]))


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("missing.jsonl", UnavailableError),
        (".", OptionsError),
        ("s3://bucket/events", OptionsError),
        ("redis://localhost", OptionsError),
        ("redis://localhost:99999/events", OptionsError),
        ("redis://[localhost/events", OptionsError),
        ("redis://127.0.0.1:1/events", UnavailableError),
        ("kafka://127.0.0.1:1", OptionsError),
        ("kafka://[localhost/events", OptionsError),
    ],
)
def test_place__not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: type[Cd4mlError]) -> None:
    """A place that is not there, or is none, ends the run: no events are never fine events."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        list(parts([place]))


def test_redis_stream__read_to_its_end(found: list[dict[str, Any]]) -> None:
    """The entries of a stream are the events that the gateway wrote; an entry without one is named by its id."""
    with serving() as server:
        with server.ask() as client:
            for line in lines(found):
                client.xadd("events", {"event": line})
            odd: Any = client.xadd("events", {"other": "1"})

        (part,) = parts([f"{server.url}/0/events"])
        with pytest.raises(UnavailableError, match="does not exist"):
            list(parts([f"{server.url}/none"]))

    assert part.events["id"].to_list() == [event["id"] for event in found]
    assert [one.place.rpartition(" ")[2] for one in part.unreadable] == [odd.decode()]


def test_kafka_topic__read_to_its_end(found: list[dict[str, Any]]) -> None:
    """The messages of a topic are the events that the gateway wrote; one that is none is named by its offset."""
    from confluent_kafka import Producer

    with brokers.serving() as broker:
        producer = Producer({"bootstrap.servers": broker, "batch.num.messages": 1})
        for message in [*lines(found), "no event"]:
            producer.produce("predictions", message)
        assert producer.flush(30) == 0

        whole = list(parts([f"kafka://{broker}/predictions"]))
        with pytest.raises(UnavailableError, match="does not exist"):
            list(parts([f"kafka://{broker}/none"]))

    assert [one for part in whole for one in part.events["id"]] == [event["id"] for event in found]
    assert [one.place.rpartition(", ")[2] for part in whole for one in part.unreadable] == [f"offset {len(found)}"]
