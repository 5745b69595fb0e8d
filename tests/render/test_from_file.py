"""Renderers work from a published report as they do from the run that made it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml.render.markdown import markdown
from cd4ml.render.terminal import terminal
from cd4ml.report.reading import read_file
from tests.actions.consumer import make_consumer
from tests.conftest import Run


@pytest.mark.parametrize("broken", [True, False], ids=["blocked", "passed"])
@pytest.mark.parametrize("stage", ["validate-data", "evaluate-model", "audit-fairness"])
def test_from_a_file__as_from_the_run(
    cd4ml: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    broken: bool,
) -> None:
    """The step summary and the text on the terminal are the same, made from the file that the run left."""
    make_consumer(tmp_path, broken=stage if broken else None)
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run = cd4ml(stage, capsys=capsys)
    report = read_file(tmp_path / "reports" / f"{stage}.json", stage).report

    assert run.code == (1 if broken else 0)
    assert markdown(report) == summary.read_text()
    head, _, rest = run.stdout.partition("\n")
    assert terminal(report) == re.sub(r" · [\d.]+ m?s$", "", head) + "\n" + rest
