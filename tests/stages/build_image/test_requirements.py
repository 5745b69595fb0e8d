"""What the gateway in the image needs beside the model's own packages."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from cd4ml.stages.build_image.requirements import gateway_requirements


@pytest.mark.parametrize("kafka_events", [True, False])
def test_gateway__ranges_hold_the_versions_that_the_tests_run_with(kafka_events: bool) -> None:
    """Each requirement admits what is tested here, and Kafka's client is there only if it is asked for."""
    found = [Requirement(text) for text in gateway_requirements(kafka_events=kafka_events)]
    tested = {one.name: version(one.name) for one in found if one.name != "mlflow-skinny"}

    assert ("confluent-kafka" in tested) is kafka_events and {"redis", "msgspec"} <= tested.keys()
    assert all(one.specifier.contains(tested[one.name]) for one in found if one.name in tested)
