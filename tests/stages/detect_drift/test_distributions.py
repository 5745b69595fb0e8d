"""The distributions in the report: shares of the reference and of today by bin, with values only where they may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cd4ml.data.profile.grids import Grid, fit
from tests.stages.detect_drift.conftest import Drift, customers


def test_shares_are_those_of_the_rows(drift: Drift) -> None:
    """Shares are those of the rows: of numbers by quantiles of the reference, of texts by value."""
    reference, current = customers(seed=1), customers(seed=2, income=np.random.default_rng(3).normal(60, 10, 2_000))
    found = drift(reference, current).report["details"]["distributions"]

    income = found["income"]
    edges = np.quantile(reference["income"], np.linspace(0, 1, 11))[1:-1]
    by_hand = np.bincount(np.searchsorted(edges, current["income"]), minlength=10) / len(current)
    assert income["kind"] == "quantiles" and income["reference"] == pytest.approx([0.1] * 10, abs=0.01)
    assert income["current"] == pytest.approx(by_hand.tolist(), abs=0.01)
    order = reference["city"].value_counts()
    assert found["city"]["reference"] == pytest.approx((order / len(reference)).tolist(), abs=1e-6)
    shares = current["city"].value_counts(normalize=True)
    assert found["city"]["current"] == pytest.approx([shares[name] for name in order.index], abs=1e-6)


def test_values__only_if_asked(drift: Drift, tmp_path: Path) -> None:
    """Without `include-values` no label holds a value; with it, labels are ranges and categories."""
    reference, current = customers(seed=1), customers(seed=2)

    hidden = drift(reference, current).report["details"]["distributions"]
    shown = drift(reference, current, "--include-values").report["details"]["distributions"]

    assert hidden["income"]["labels"] == [str(place) for place in range(1, 11)]
    assert hidden["city"]["labels"] == ["1", "2", "3"] and "north" not in str(hidden)
    assert sorted(shown["city"]["labels"]) == ["north", "south", "west"]
    first = shown["income"]["labels"][0]
    assert first.startswith("under ")
    assert float(first.split()[1]) == pytest.approx(reference["income"].quantile(0.1), rel=0.02)


def test_many_categories__are_pooled(drift: Drift) -> None:
    """Beyond a dozen categories the rest is one bin, and the shares still add up to one."""
    cities = [f"city {number}" for number in range(40)]
    rng = np.random.default_rng(1)
    samples = [customers(seed=seed, city=rng.choice(cities, 2_000)) for seed in (1, 2)]

    found = drift(*samples).report["details"]["distributions"]["city"]

    assert len(found["labels"]) == 13 and found["labels"][-1] == "others"
    assert sum(found["reference"]) == pytest.approx(1, abs=1e-4) and sum(found["current"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "grid",
    [
        Grid.of_integers(-3, 12),
        Grid.linear(-2.5, 7.0),
        fit(np.concatenate([np.random.default_rng(1).standard_cauchy(5_000) * 3])),
    ],
    ids=["exact", "linear", "asinh"],
)
def test_lower_end__is_where_a_cell_begins(grid: Grid) -> None:
    """Just above a cell's lower end a value falls into it, and just below into the one before."""
    for cell in (1, 2, grid.cells // 2, grid.cells):
        end, width = grid.lower_end(cell), grid.lower_end(cell + 1) - grid.lower_end(cell)
        values = np.array([end + width / 100, end + width / 2])

        assert grid.positions(values).tolist() == [cell, cell]
        assert grid.positions(np.array([end - width / 2]))[0] == cell - 1
