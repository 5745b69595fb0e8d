"""Events: what they hold, and what they must not."""

from __future__ import annotations

import hashlib

import pytest
from jsonschema import Draft202012Validator

from cd4ml.serving.events.event import Sample, count
from cd4ml.serving.events.fields import FIELDS
from cd4ml.serving.events.labels import Labels
from cd4ml.serving.events.privacy import Privacy
from cd4ml.serving.exchange import Answers
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.signature import Column
from tests.serving.events.exchanges import MODEL, SCHEMA, events, exchange, read

KEY = b"k" * 16


def test_event__holds_what_was_asked_and_answered() -> None:
    """Each row of an answered request has an event with everything that the published schema names."""
    answers = Answers(y_pred=[1, 0], y_score=[0.75, 0.25], cached=[False, True])
    first, second = read(list(events().of(exchange(5, rows=2, answers=answers))))

    assert first == {
        "id": f"{5:032x}-{5:016x}-0",
        "time": "2027-01-15T08:00:00.123Z",
        "trace_id": f"{5:032x}",
        "request_id": "request-5",
        "row": 0,
        "model": MODEL,
        "track": "stable",
        "cohort": None,
        "protocol": "predict",
        "status": 200,
        "latency_ms": 12.5,
        "rows": 2,
        "cached": False,
        "features": {"age": 0, "city": "Oslo", "income": None},
        "prediction": {"y_pred": 1, "y_score": 0.75},
    }
    assert (second["id"], second["cached"]) == (f"{5:032x}-{5:016x}-1", True)
    assert first.keys() <= FIELDS.keys()
    assert {name for name, field in FIELDS.items() if field.always} <= first.keys()


def test_refused_request__one_event_without_its_rows() -> None:
    """Of a request that was refused nothing is kept but that it was."""
    refused = exchange(rows=3, status=422, error="refused-by-model", answers=None)
    (event,) = read(list(events().of(refused)))

    assert (event["status"], event["error"], event["rows"]) == (422, "refused-by-model", 3)
    assert not {"features", "prediction", "row"} & event.keys() and count(refused) == 1


@pytest.mark.parametrize("lacking", ["id", "time", "track"])
def test_schema__demands_little(lacking: str) -> None:
    """An event of another writer needs an id, a time, a track and one of status and prediction; more is allowed."""
    event = {"id": "1", "time": "2027-01-15T08:00:00Z", "track": "canary", "status": 200, "more": 1}
    schema = Draft202012Validator(SCHEMA)

    assert schema.is_valid(event)
    assert not schema.is_valid({name: value for name, value in event.items() if name != lacking})
    assert not schema.is_valid({name: value for name, value in event.items() if name != "status"})
    assert schema.is_valid({**event, "prediction": {"y_pred": 1}})


def test_text__cannot_break_the_line() -> None:
    """Line ends, control characters and separators of Unicode in values and ids stay inside their line."""
    odd = exchange(request_id='a\n{"id": "forged"}\x1b[31m\u2028')
    odd.batch.columns["city"] = ["x\r\ny"]  # type: ignore[union-attr]
    (line,) = events().of(odd)

    assert b"\n" not in line and b"\r" not in line and b"\x1b" not in line
    assert read([line])[0]["features"]["city"] == "x\r\ny"


def test_not_a_number__is_null() -> None:
    """JSON has no NaN: what is missing is null."""
    gap = exchange()
    gap.batch.columns["income"] = [float("nan")]  # type: ignore[union-attr]

    assert read(list(events().of(gap)))[0]["features"]["income"] is None


def test_privacy__columns_are_left_out_or_hashed() -> None:
    """A column that is left out is not there, and a hashed one is neither its value nor a hash without the key."""
    privacy = Privacy(omit=["age"], hashed=["city", "income"], key=KEY)
    first, second = read(list(events(privacy).of(exchange(rows=2))))

    assert first["features"].keys() == {"city", "income"} and first["features"]["income"] is None
    assert first["features"]["city"] == second["features"]["city"] != "Oslo"
    unkeyed = hashlib.sha256(b'"Oslo"').hexdigest()
    assert len(first["features"]["city"]) == 32 and not unkeyed.startswith(first["features"]["city"])
    (other,) = read(list(events(Privacy(hashed=["city"], key=b"o" * 16)).of(exchange())))
    assert other["features"]["city"] != first["features"]["city"]


def test_privacy__same_value_in_two_columns_has_two_hashes() -> None:
    """Hashes do not tell that two columns hold the same value."""
    both = exchange()
    both.batch.columns["age"] = ["Oslo"]  # type: ignore[union-attr]
    (event,) = read(list(events(Privacy(hashed=["*"], key=KEY)).of(both)))

    assert event["features"]["age"] != event["features"]["city"]


@pytest.mark.parametrize(
    ("kind", "one", "other"), [("double", 40, 40.0), ("long", 40.0, 40), ("float", 0.1, 0.1 + 1e-9)]
)
def test_privacy__same_value_to_the_model_has_one_hash(kind: str, one: float, other: float) -> None:
    """However a protocol wrote a number, its hash is that of what the model sees: events are joined by it."""
    privacy = Privacy(hashed=["age"], key=KEY)
    privacy.know([Column(name="age", type=kind)])
    ((_, change),) = privacy.plan(["age"])

    assert change is not None and change(one) == change(other) != change(41)


def test_privacy__everything_left_out() -> None:
    """`*` leaves out every column."""
    assert read(list(events(Privacy(omit=["*"])).of(exchange())))[0]["features"] == {}


@pytest.mark.parametrize("key", [b"", b"short"])
def test_privacy__hash_without_a_key_is_refused(key: bytes) -> None:
    """Hashing without a secret is refused: a column of few values is read back from such hashes."""
    with pytest.raises(SettingsError, match="EVENTS_HASH_KEY"):
        Privacy(hashed=["city"], key=key)


@pytest.mark.parametrize("setting", ["EVENTS_OMIT", "EVENTS_HASH"])
def test_privacy__unknown_column_is_refused(setting: str) -> None:
    """A misspelt name is refused, since the column would not be protected."""
    names = ["cty"]
    privacy = Privacy(omit=names) if setting == "EVENTS_OMIT" else Privacy(hashed=names, key=KEY)

    with pytest.raises(SettingsError, match=f"{setting} names an unknown column: 'cty'"):
        privacy.know([Column(name="city"), Column(name="age")])
    privacy.know([Column(name="cty")])


def test_sample__decided_by_the_trace() -> None:
    """About the share is kept, whatever ids look like, and always the same traces."""
    sample = Sample(0.25)
    kept = {number for number in range(4000) if sample.has(f"{number:032x}")}

    assert 800 < len(kept) < 1200
    assert kept == {number for number in range(4000) if Sample(0.25).has(f"{number:032x}")}
    assert kept <= {number for number in range(4000) if Sample(0.5).has(f"{number:032x}")}
    assert read(list(events(share=0.25).of(exchange())))[0]["sample"] == 0.25


def test_labels__from_headers_if_they_are_names() -> None:
    """A router's header says track and cohort; what is no name is not taken."""
    labels = Labels(track_header="X-Track", cohort_header="X-Cohort")
    told, forged = exchange(), exchange()
    labels.put(told, [(b"x-track", b"canary"), (b"x-cohort", b"b-2")])
    labels.put(forged, [(b"x-track", b'"}\n'), (b"x-cohort", b"x" * 65)])

    (event,) = read(list(events().of(told)))
    assert (event["track"], event["cohort"]) == ("canary", "b-2")
    (event,) = read(list(events().of(forged)))
    assert (event["track"], event["cohort"]) == ("stable", None)
