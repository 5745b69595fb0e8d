"""Tables of people to audit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import Run

Audit = Callable[..., Run]


@pytest.fixture
def audit(cd4ml: Callable[..., Run], tmp_path: Path) -> Audit:
    """Write a predictions table and audit it by sex."""

    def run(*groups: pd.DataFrame, arguments: tuple[str, ...] = ()) -> Run:
        pd.concat(groups).to_parquet(tmp_path / "predictions.parquet", index=False)
        return cd4ml(
            "audit-fairness", "--predictions", "predictions.parquet", "--sensitive-features", "sex", *arguments
        )

    return run


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    found: dict[str, Any] = next(check for check in run.report["checks"] if check["id"] == check_id)
    return found
