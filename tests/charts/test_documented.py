"""The values that the page on the chart shows render as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.charts.rendering import MINIMAL, render, workloads
from tests.conftest import ROOT

BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "chart.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split(":")[0].splitlines()[-1])
def test_examples__render(tmp_path: Path, block: str) -> None:
    """Every example of values, with an image's digest beside it, is accepted and gives pods."""
    path = tmp_path / "values.yaml"
    path.write_text(block, encoding="utf-8")

    assert workloads(render("--values", path, "--values", MINIMAL))
