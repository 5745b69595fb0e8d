"""The rows of the differences that may be limited: each has its rates, and an option."""

from __future__ import annotations

import dataclasses

import pytest

from cd4ml.checks.fairness.differences import DIFFERENCES, ERROR_DIFFERENCES
from cd4ml.metrics.fairness.rates import RATES
from cd4ml.stages.audit_fairness.options import Options


@pytest.mark.parametrize("name", [*DIFFERENCES, *ERROR_DIFFERENCES])
def test_difference__has_an_option(name: str) -> None:
    """audit-fairness can be told a limit on every difference, which is unset by default."""
    defaults = {field.name: field.default for field in dataclasses.fields(Options)}

    assert defaults[f"maximum_{name.replace('-', '_')}"] is None


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference__of_known_rates(name: str) -> None:
    """A difference is one of rates that are counted."""
    assert DIFFERENCES[name] and {*DIFFERENCES[name]} <= {*RATES}
