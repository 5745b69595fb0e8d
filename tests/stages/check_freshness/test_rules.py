"""The alerts of docs/freshness.rules.yaml, evaluated by promtool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import CHART, of_kind, render
from tests.conftest import ROOT, need_program

RULES = ROOT / "docs" / "freshness.rules.yaml"
# A table that was checked and written at the beginning, and is due after ten hours.
FINE = {"checked_timestamp_seconds": "0x720", "due_timestamp_seconds": "36000x720", "fresh": "1x720"}
CASES = {
    "before the deadline": ("9h", FINE, []),
    "after it, though nobody looked again": ("11h", FINE, ["TableOverdue"]),
    "without a stamp": ("9h", {**FINE, "due_timestamp_seconds": "_x720", "fresh": "0x720"}, ["TableNotFresh"]),
    "not looked at for more than a day": (
        "27h",
        {name: values if "due" not in name else "999999x720" for name, values in FINE.items()},
        ["FreshnessNotChecked"],
    ),
    "never looked at": ("9h", {}, ["FreshnessNotChecked"]),
}


def firing(folder: Path, when: str, series: dict[str, str], alerts: list[str]) -> subprocess.CompletedProcess[str]:
    """Ask promtool whether exactly these alerts fire."""
    given = [{"series": f'cd4ml_table_{name}{{table="t"}}', "values": values} for name, values in series.items()]
    query = 'count by (alertname) (ALERTS{alertstate="firing"})'
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in alerts]
    expected = [{"expr": query, "eval_time": when, "exp_samples": samples}]
    test = {"interval": "5m", "input_series": given, "promql_expr_test": expected}
    content = {"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": [test]}
    (folder / "tests.json").write_text(json.dumps(content), encoding="utf-8")
    command = [need_program("promtool"), "test", "rules", "tests.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES)
def test_alerts__fire_for_what_is_wrong_alone(tmp_path: Path, case: str) -> None:
    """Each alert fires when it must, and no other one beside it."""
    result = firing(tmp_path, *CASES[case])

    assert result.returncode == 0, result.stdout + result.stderr


def test_alerts__a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    """promtool says so where an alert is expected that does not fire: the tests above can fail."""
    assert firing(tmp_path, "9h", FINE, ["TableOverdue"]).returncode == 1


def test_chart__ships_them_as_they_are() -> None:
    """The chart's PrometheusRule says what the documented file says, and is there only where it is asked for."""
    (rule,) = of_kind(render("--values", CHART / "ci" / "everything-values.yaml"), "PrometheusRule")

    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert (rule["metadata"]["name"], rule["metadata"]["labels"]["release"]) == ("credit-freshness", "prometheus")


def test_alerts__there_is_a_test_of_each() -> None:
    """No alert goes untested."""
    named = {rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}

    assert named == {alert for _, _, alerts in CASES.values() for alert in alerts}
