"""Values outside the ranges: counted or refused, as the settings say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from cd4ml.serving.exchange import Batch
from cd4ml.serving.refused import Refused
from cd4ml.serving.settings import Settings, SettingsError
from cd4ml.serving.telemetry.metrics.ranges import demand, ranges_for, ranges_of
from tests.serving.conftest import running
from tests.serving.conversion import service_of
from tests.serving.telemetry.test_gateway import metrics

RANGES = {"age": {"minimum": 18, "maximum": 75}, "city": {"categories": ["Oslo", "Bergen"]}}
ROW: dict[str, Any] = {"age": 40, "income": 52000.0, "city": "Oslo"}


def test_settings__whose_ranges_count(tmp_path: Path) -> None:
    """A file that is named counts before the image's own; `off` means none; to refuse needs one."""
    (tmp_path / "ranges.json").write_text(json.dumps({"ranges": RANGES}))
    (tmp_path / "own.json").write_text(json.dumps({"ranges": {"age": {"minimum": 1}}}))
    service, own = str(tmp_path / "service.json"), str(tmp_path / "own.json")

    assert ranges_for(Settings.read({"SERVICE_FILE": service})).keys() == RANGES.keys()
    assert ranges_for(Settings.read({"SERVICE_FILE": service, "RANGES_FILE": own})).keys() == {"age"}
    assert ranges_for(Settings.read({"SERVICE_FILE": service, "OUT_OF_RANGE": "off"})) == {}
    with pytest.raises(SettingsError, match="OUT_OF_RANGE=refuse needs RANGES_FILE"):
        ranges_for(Settings.read({"SERVICE_FILE": "/nowhere/service.json", "OUT_OF_RANGE": "refuse"}))


def test_demand__each_value_by_its_path() -> None:
    """Every value outside is named; those on a bound, missing or of a feature without a range are not."""
    columns: dict[str, list[Any]] = {"age": [18, 75, 17, None, 76], "income": [math.nan] * 5}
    columns["city"] = ["Oslo", "Rome", None, "Bergen", "Oslo"]
    with pytest.raises(Refused) as refused:
        demand(ranges_of({"ranges": RANGES}), Batch(columns, 5))
    assert [one.path for one in refused.value.problems] == ["rows[2].age", "rows[4].age", "rows[1].city"]
    assert (refused.value.status, refused.value.code) == (422, "out-of-range")


def test_gateway__refuses_and_counts(people: Path, tmp_path: Path) -> None:
    """With OUT_OF_RANGE=refuse a row outside is refused with its path in every protocol, and is counted as well."""
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"ranges": RANGES}))
    env = {"RANGES_FILE": str(file), "OUT_OF_RANGE": "refuse"}
    with running(people, tmp_path, env=env, **service_of(people)) as gateway:
        gateway.until(200)
        good = gateway.predict([ROW])
        bad = gateway.predict([ROW, ROW | {"age": 17}])
        records = {"dataframe_records": [ROW | {"city": "Atlantis"}]}
        other = gateway.client.post("/invocations", json=records)
        found = metrics(gateway)
    assert (good.status_code, bad.status_code, other.status_code) == (200, 422, 422)
    error = bad.json()["error"]
    assert (error["code"], error["problems"][0]["path"]) == ("out-of-range", "rows[1].age")
    assert "Atlantis" not in other.text and "rows[0].city" in other.text
    assert found['cd4ml_out_of_range_values_total{feature="age"}'] == 1
    assert found['cd4ml_out_of_range_values_total{feature="city"}'] == 1
