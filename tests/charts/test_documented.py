"""The values that the page on the chart shows render as they stand, and its object of Argo CD fits what they give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import CHART, MINIMAL, of_kind, render, workloads
from tests.conftest import ROOT

SHOWN = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "chart.md").read_text(encoding="utf-8"), re.M | re.S)
BLOCKS = [block for block in SHOWN if "kind: Application" not in block]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split(":")[0].splitlines()[-1])
def test_examples__render(tmp_path: Path, block: str) -> None:
    """Every example of values, with an image's digest beside it, is accepted and gives pods."""
    path = tmp_path / "values.yaml"
    path.write_text(block, encoding="utf-8")

    assert workloads(render("--values", path, "--values", MINIMAL))


def test_application__takes_the_chart_and_leaves_alone_what_argo_rollouts_changes() -> None:
    """It names the chart's folder, and ignores the weights of the route and the selectors of the Services, no more."""
    (block,) = (block for block in SHOWN if block not in BLOCKS)
    spec = yaml.safe_load(block)["spec"]
    route, service = spec["ignoreDifferences"]
    objects = render("--values", CHART / "ci" / "argo-rollouts-values.yaml")

    assert ROOT / spec["sources"][0]["path"] == CHART
    options = spec["syncPolicy"]["syncOptions"]
    assert "ApplyOutOfSyncOnly=true" in options and not any("RespectIgnore" in option for option in options)
    for ignored in (route, service):
        groups = [item["apiVersion"].rpartition("/")[0] for item in of_kind(objects, ignored["kind"])]
        assert groups and set(groups) == {ignored.get("group", "")}
    assert route["jqPathExpressions"] == [".spec.rules[].backendRefs[].weight"]
    assert service["jsonPointers"] == ["/spec/selector/rollouts-pod-template-hash"]
