"""audit-fairness: pairs of groups that lie further apart than under production, on the same rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from cd4ml.metrics.fairness.pair_changes import PairChange, adjusted, pair_changes
from tests.stages.audit_fairness.conftest import Audit, by_id
from tests.stages.audit_fairness.test_audit_fairness import group

LOOSE = ("--minimum-ratio", "0.01")


def decided(name: str, both: int, lost: int, won: int, neither: int) -> pd.DataFrame:
    """Return a group's rows: selected by both models, only by production, only by the candidate, by neither."""
    candidate = [1] * both + [0] * lost + [1] * won + [0] * neither
    production = [1] * (both + lost) + [0] * (won + neither)
    return pd.DataFrame({"y_true": 1, "y_pred": candidate, "production_y_pred": production, "sex": name})


def counted(*groups: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of some groups."""
    keys = ["sex", "y_pred", "production_y_pred"]
    counts = pd.concat(groups)[keys].value_counts().reset_index(name="n")
    return counts.assign(weight=counts["n"].astype(float), squares=counts["n"].astype(float))


def cells_of(*groups: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return counts of groups, each of the rows that neither, production, the candidate and both select."""
    cells = pd.DataFrame({"y_pred": [0, 0, 1, 1], "production_y_pred": [0, 1, 0, 1]})
    counts = pd.concat([cells.assign(n=n, sex=str(name)) for name, n in enumerate(groups)], ignore_index=True)
    return counts.assign(weight=counts["n"].astype(float), squares=counts["n"].astype(float))


# Of 1,000 women production selects 500 and the candidate 350; of 1,000 men both select 500.
WORSE = (decided("f", 340, 160, 10, 490), decided("m", 480, 20, 20, 480))
SAME = (decided("f", 480, 20, 20, 480), decided("m", 480, 20, 20, 480))


def test_pair__numbers() -> None:
    """The ratio of a pair falls from 1 to 0.7, and its standard error is that of the rows' influences, by hand."""
    counts = counted(*WORSE)
    (pair,) = pair_changes(counts, counts["sex"])

    rows = pd.concat(WORSE)
    women, men = rows[rows["sex"] == "f"], rows[rows["sex"] == "m"]
    of_women = ((women["y_pred"] - 0.35) / 0.5 - (women["production_y_pred"] - 0.5) / 0.5) / 1_000
    of_men = (-0.7 * (men["y_pred"] - 0.5) / 0.5 + (men["production_y_pred"] - 0.5) / 0.5) / 1_000
    assert (pair.lower, pair.higher, pair.n, pair.changed) == ("f", "m", 1_000, 210)
    assert (pair.candidate, pair.production) == pytest.approx((0.7, 1.0))
    assert pair.standard_error == pytest.approx(float(np.sqrt((of_women**2).sum() + (of_men**2).sum())))
    assert pair.p_value < 1e-9


def test_pair__reversed_is_not_worse() -> None:
    """Where women were at 0.7 of the men and now men are at 0.7 of the women, the ratio of the pair did not fall."""
    counts = counted(decided("f", 350, 0, 150, 500), decided("m", 350, 150, 0, 500))
    (pair,) = pair_changes(counts, counts["sex"])

    assert pair.lower == "m" and pair.drop == pytest.approx(0.0) and pair.p_value == pytest.approx(0.5)


def test_pairs__equal_models_are_rarely_blamed() -> None:
    """Among five groups whose decisions turn by chance alone, at most 5 % of audits show a pair that got worse."""
    blamed = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        production = generator.random((5, 400)) < 0.3
        turned = np.where(production, generator.random((5, 400)) < 0.2, generator.random((5, 400)) < 0.2 * 3 / 7)
        cells = [np.bincount(2 * (own ^ turn) + own, minlength=4) for own, turn in zip(production, turned, strict=True)]
        counts = cells_of(*cells)
        (family,) = adjusted([pair_changes(counts, counts["sex"])])
        blamed += any(pair.p_value < 0.05 for pair in family)

    assert blamed <= 5


def test_few_changed_rows__show_nothing() -> None:
    """Nine rows that all turn against one group are no evidence, whatever the normal distribution makes of them."""
    counts = counted(decided("f", 491, 9, 0, 500), decided("m", 500, 0, 0, 500))
    (pair,) = pair_changes(counts, counts["sex"])

    assert (pair.p_value, pair.interval) == (1.0, None) and pair.drop > 0


def test_pair_that_got_worse__reported(audit: Audit) -> None:
    """Without a limit, a pair that lies further apart than under production is named in the summary and the report."""
    run = audit(*WORSE, arguments=LOOSE)

    pairs = run.report["metrics"]["features"]["sex"]["pairs"]
    assert run.code == 0 and pairs["compared"] == 1
    assert [(pair["lower"], pair["higher"], pair["candidate"]) for pair in pairs["worse"]] == [("f", "m", 0.7)]
    assert "sex f to m, ratio 0.7000 after 1.0000; maximum-pair-drop sets a limit." in run.report["summary"]

    calm = audit(*SAME, arguments=LOOSE)
    assert calm.report["metrics"]["features"]["sex"]["pairs"]["worse"] == []
    assert "Further apart" not in calm.report["summary"]


@pytest.mark.parametrize(("limit", "code"), [("0.1", 1), ("0.29", 1), ("0.3", 0), ("0.4", 0), ("sex=0.1", 1)])
def test_maximum_pair_drop(audit: Audit, limit: str, code: int) -> None:
    """A ratio that fell by 0.3 is blocked by a smaller limit only; the check is about the poorer group of the pair."""
    run = audit(*WORSE, arguments=(*LOOSE, "--maximum-pair-drop", limit))

    check = by_id(run, "pair-drop:sex")
    assert (run.code, check["value"], check["baseline"]) == (code, 0.7, 1.0)
    assert (check["slice"], check["bound"], check["interval"]["of"]) == ({"sex": "f"}, "decrease-at-most", "difference")
    assert "further apart" not in run.report["summary"].lower()


def test_maximum_pair_drop__between_groups_that_are_no_reference(audit: Audit) -> None:
    """Two groups may drift apart although neither falls against the reference: the limit on pairs sees it."""
    groups = (decided("a", 400, 0, 0, 600), decided("b", 400, 0, 300, 300), decided("c", 900, 0, 0, 100))
    limits = ("--maximum-ratio-drop", "0.1")

    assert audit(*groups, arguments=(*LOOSE, *limits)).code == 0
    run = audit(*groups, arguments=(*LOOSE, *limits, "--maximum-pair-drop", "0.1"))
    assert run.code == 1 and "the ratio of a to b" in by_id(run, "pair-drop:sex")["message"]


@pytest.mark.parametrize(
    ("decision", "lost", "status"),
    [
        ("point", 3, "failed"),
        ("evidence", 3, "inconclusive"),
        ("evidence", 40, "failed"),
        ("strict", 0, "inconclusive"),
        ("point", 0, "passed"),
    ],
)
def test_maximum_pair_drop__by_decision(audit: Audit, decision: str, lost: int, status: str) -> None:
    """`point` blocks what lies beyond, `evidence` what is shown to, and `strict` passes only what is shown within."""
    tables = (decided("f", 50 - lost, lost, 0, 50), decided("m", 45, 5, 5, 45))
    run = audit(*tables, arguments=(*LOOSE, "--maximum-pair-drop", "0.05", "--decision", decision))

    assert by_id(run, "pair-drop:sex")["status"] == status


def test_maximum_pair_drop__small_group(audit: Audit) -> None:
    """A group of ten rows cannot pass."""
    run = audit(decided("f", 5, 0, 0, 5), decided("m", 50, 0, 0, 50), arguments=(*LOOSE, "--maximum-pair-drop", "0.1"))

    assert (run.code, by_id(run, "pair-drop:sex")["reason"]) == (4, "group-too-small")


def test_maximum_pair_drop__without_production(audit: Audit) -> None:
    """A limit on a change without production's decisions is an error, not a pass."""
    run = audit(group("f", 50, 100), group("m", 50, 100), arguments=("--maximum-pair-drop", "0.1"))

    assert (run.code, by_id(run, "pair-drop:sex")["reason"]) == (2, "no-production-ratio")


def test_interval__holds_the_change() -> None:
    """The interval of the change of a pair's ratio holds the true one in about 95 % of 1,000 samples."""
    held = 0
    for seed in range(400):
        generator = np.random.default_rng([7, seed])
        women, men = (generator.multinomial(500, shares) for shares in ([0.58, 0.1, 0.02, 0.3], [0.5, 0.05, 0.05, 0.4]))
        counts = cells_of(women, men)
        (pair,) = pair_changes(counts, counts["sex"])
        assert isinstance(pair, PairChange) and pair.interval is not None
        held += pair.interval.lower <= 0.32 / 0.45 - 0.4 / 0.45 <= pair.interval.upper

    assert 0.92 <= held / 400 <= 0.98
