"""audit-fairness on decisions whose outcome nobody knows yet: labels are asked for only where a limit needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.audit_fairness.conftest import Audit, by_id
from tests.stages.audit_fairness.test_audit_fairness import group

FAIR = (group("f", 45, 100), group("m", 50, 100))
UNFAIR = (group("f", 20, 100), group("m", 50, 100))


def bare(*groups: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the groups without their labels."""
    return [part.drop(columns="y_true") for part in groups]


def test_no_labels__ratio_decides(audit: Audit) -> None:
    """Selection rates need decisions alone: the audit passes and blocks without a single label, with equal numbers."""
    passed, failed = audit(*bare(*FAIR)), audit(*bare(*UNFAIR))

    assert (passed.code, failed.code) == (0, 1)
    assert by_id(failed, "disparate-impact:sex=f")["value"] == 0.4
    labelled = audit(*UNFAIR)
    assert by_id(labelled, "disparate-impact:sex=f") == by_id(failed, "disparate-impact:sex=f")
    of_feature = failed.report["metrics"]["features"]["sex"]
    assert of_feature["by_group"]["f"] == {
        "n": 100,
        "selection_rate": 0.2,
        "true_positive_rate": None,
        "false_positive_rate": None,
        "false_negative_rate": None,
        "precision": None,
    }
    assert of_feature["demographic_parity_difference"] == pytest.approx(0.3)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_some_labels__left_out(cd4ml: Callable[..., Run], tmp_path: Path, suffix: str) -> None:
    """Labels that have arrived for some rows only, never for rejected applicants, are left out where none is needed."""
    table = pd.concat(UNFAIR).astype({"y_true": "Int64"})
    table.loc[table["y_pred"] == 0, "y_true"] = pd.NA
    path = tmp_path / f"predictions.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path, index=False)
    arguments = ("--predictions", path.name, "--sensitive-features", "sex")
    run = cd4ml("audit-fairness", *arguments)

    assert (run.code, by_id(run, "disparate-impact:sex=f")["value"]) == (1, 0.4)
    assert run.report["metrics"]["features"]["sex"]["by_group"]["f"]["true_positive_rate"] is None
    needed = cd4ml("audit-fairness", *arguments, "--maximum-equalized-odds-difference", "0.5")
    assert needed.code == 2 and "`y_true` has 130 rows without a value" in needed.report["summary"]


@pytest.mark.parametrize(
    "limit",
    [
        "equalized-odds-difference",
        "equal-opportunity-difference",
        "false-positive-rate-difference",
        "false-negative-rate-difference",
        "precision-difference",
        "calibration-gap",
    ],
)
def test_limit_on_errors__needs_labels(audit: Audit, limit: str) -> None:
    """Every limit on errors or on calibration asks for the labels, by name."""
    tables = [part.assign(y_score=0.5) for part in bare(*FAIR)]
    run = audit(*tables, arguments=(f"--maximum-{limit}", "0.5"))

    assert run.code == 2 and "no column `y_true`" in run.report["summary"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--maximum-demographic-parity-difference", "0.01"), 1),
        (("--maximum-demographic-parity-difference", "0.5"), 0),
        (("--maximum-ratio-drop", "0.01"), 1),
        (("--maximum-ratio-drop", "0.5"), 0),
        (("--intersections", "gate"), 0),
        (("--decision", "evidence"), 0),
    ],
)
def test_other_limits__need_none(audit: Audit, arguments: tuple[str, ...], code: int) -> None:
    """What is about decisions alone works without labels: differences of rates, drops against production, pairs."""
    tables = [part.assign(production_y_pred=[1, 0] * 50) for part in bare(*FAIR)]

    assert audit(*tables, arguments=arguments).code == code


def test_no_labels__decisions_by_name_and_weights(audit: Audit) -> None:
    """Decisions in words need their favourable one as ever, and weights count."""
    words = [part.assign(y_pred=part["y_pred"].map({1: "approved", 0: "declined"})) for part in bare(*UNFAIR)]
    assert audit(*words).code == 2
    assert audit(*words, arguments=("--positive-label", "approved")).code == 1

    weighted = [part.assign(sample_weight=1.0 + 9.0 * part["y_pred"] * (part["sex"] == "f")) for part in bare(*UNFAIR)]
    assert audit(*weighted).code == 1
    assert by_id(audit(*weighted), "disparate-impact:sex=m")["value"] == pytest.approx(0.5 / (200 / 280))
    booleans = [part.assign(y_pred=part["y_pred"] == 1) for part in bare(*UNFAIR)]
    assert audit(*booleans).code == 1


def test_no_decisions__refused(audit: Audit) -> None:
    """Decisions are needed in any case."""
    run = audit(*(part.drop(columns="y_pred") for part in bare(*FAIR)))

    assert run.code == 2 and "no column `y_pred`" in run.report["summary"]


def test_nobody_selected__error(audit: Audit) -> None:
    """Decisions that are all 0 select nobody, which is an error and no pass."""
    run = audit(*bare(group("f", 0, 100), group("m", 0, 100)))

    assert (run.code, run.report["checks"][0]["reason"]) == (2, "no-positive-predictions")
