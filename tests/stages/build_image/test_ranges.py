"""What the image says of the values that the model was tested on: true of every row, and little of anybody."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cd4ml.errors import OptionsError
from cd4ml.model_files.signature import Input
from cd4ml.serving.exchange import Batch
from cd4ml.serving.settings import Settings
from cd4ml.serving.telemetry.metrics.ranges import demand, ranges_for
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.preflight import check_options
from cd4ml.stages.build_image.ranges import FILE, ranges_of

COLUMNS = [
    *(Input(name="age", type="long"), Input(name="income", type="double"), Input(name="city", type="string")),
    *(Input(name="member", type="boolean"), Input(name="rare", type="string"), Input(name="id", type="string")),
    *(Input(name="postcode", type="long"), Input(name="extra", type="double", required=False)),
]
FRAME = pd.DataFrame(
    {
        "age": range(18, 118),
        "income": [None, -0.001234, 52_345.678, *[1.0] * 96, math.inf],
        "city": ["Oslo", "Bergen"] * 50,
        "member": [True, False] * 50,
        "rare": ["a"] * 96 + ["b"] * 4,
        "id": [f"person-{number}" for number in range(100)],
        "postcode": range(100),
    }
)


def test_ranges__outward_few_and_nothing_private(tmp_path: Path) -> None:
    """Bounds lie outside every value with two digits, categories are those of at least five rows; the rest is left out
    with its reason, and what is written is what the gateway reads, which counts no test row.
    """
    found = ranges_of(COLUMNS, FRAME, ["postcode"])

    assert found.found == {
        "age": {"minimum": 18, "maximum": 120},
        "income": {"minimum": -0.0013, "maximum": 53_000},
        "city": {"categories": ["Bergen", "Oslo"]},
    }
    assert found.left_out == {
        "member": "its type is boolean",
        "rare": "a category has fewer than 5 rows",
        "id": "it has more than 50 categories",
        "postcode": "private-features names it",
        "extra": "test-data does not have it",
    }
    assert "person-" not in found.text and "52345" not in found.text and "postcode" not in found.text
    (tmp_path / FILE).write_text(found.text)
    read = ranges_for(Settings.read({"SERVICE_FILE": str(tmp_path / "service.json")}))
    assert read.keys() == found.found.keys()
    finite = FRAME[FRAME["income"] != math.inf].astype(object)
    demand(read, Batch({name: finite[name].tolist() for name in read}, len(finite)))
    assert found.part.details["ranges"]["features"] == ["age", "city", "income"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.12, 0.0], {"minimum": 0, "maximum": 0.12}),
        ([-7], {"minimum": -7, "maximum": -7}),
        ([1.0000001], {"minimum": 1.0, "maximum": 1.1}),
        ([5e-324, 1.7e308], {"minimum": 4.9e-324, "maximum": 1.7e308}),
        ([True, 3], {"minimum": 1, "maximum": 3}),
        ([None, math.nan], "it has no numbers"),
    ],
)
def test_bounds__never_inside(values: list[Any], expected: Any) -> None:
    """No bound cuts off a value, however small or large."""
    found = ranges_of([Input(name="x", type="double")], pd.DataFrame({"x": pd.Series(values, dtype="object")}))
    said = found.found.get("x", found.left_out.get("x"))
    assert said == expected
    if isinstance(said, dict):
        assert said["minimum"] <= min(values) and said["maximum"] >= max(values)
        json.loads(found.text)


def test_private__must_be_a_feature() -> None:
    """A misspelt private feature would be published: it is refused."""
    with pytest.raises(OptionsError, match="private-features: the model does not take 'post-code'"):
        ranges_of(COLUMNS, FRAME, ["post-code"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"feature_ranges": True}, "feature-ranges needs test-data"),
        ({"private_features": ("age",)}, "private-features means nothing without feature-ranges"),
    ],
)
def test_options__that_contradict_each_other(given: dict[str, Any], problem: str) -> None:
    """Ranges need rows, and private features without ranges would be a false sense of safety."""
    options = {"model": "m", "image": "a.io/x:1", "simulate": False, "severity": ("HIGH",), "system_packages": ()}
    options |= {"forbidden_licenses": (), "scanners": ("vuln",), **given}
    with pytest.raises(OptionsError, match=problem):
        check_options(Options(**options))  # type: ignore[arg-type]
