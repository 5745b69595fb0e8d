"""The feature code: sentinels, leakage and the split."""

from __future__ import annotations

import pandas as pd
import pytest
from loan_approval.data import FEATURES, SCORECARD, SENSITIVE, SENTINELS, TARGET, clean, raw, split


@pytest.fixture(scope="module")
def cleaned() -> pd.DataFrame:
    """Return the cleaned data set."""
    return clean(raw())


def test_no_row_is_lost(cleaned: pd.DataFrame) -> None:
    """Cleaning keeps all 1,989 applications."""
    assert len(cleaned) == 1989


@pytest.mark.parametrize("column", SENTINELS)
def test_sentinels_become_nulls(cleaned: pd.DataFrame, column: str) -> None:
    """A code for "unknown" never reaches the model as a number."""
    published = raw()[column]

    assert (published == SENTINELS[column]).any()
    assert cleaned[column].isna().sum() == (published.isna() | (published == SENTINELS[column])).sum()


def test_no_leakage() -> None:
    """Neither the decision under another name nor what the law protects is a feature."""
    assert not set(FEATURES) & {"action", "reject", TARGET, "black", "hispan", "white", "male", "old", *SENSITIVE}
    assert set(SCORECARD) <= set(FEATURES)


def test_split_keeps_the_groups(cleaned: pd.DataFrame) -> None:
    """Training and test rows do not overlap and have the same shares of every group."""
    train, test = split(cleaned)

    assert not set(train["row_id"]) & set(test["row_id"])
    assert len(train) + len(test) == len(cleaned)
    shares = train["race"].value_counts(normalize=True) - test["race"].value_counts(normalize=True)
    assert shares.abs().max() < 0.005


def test_mitigated_model_does_not_see_race(cleaned: pd.DataFrame) -> None:
    """The mitigated model decides from the features alone."""
    from loan_approval.models import mitigated

    train, test = split(cleaned)
    model, features = mitigated(train)

    assert features == FEATURES
    assert set(model.predict(test[features])) == {0, 1}


def test_weighted_model_approves_more_of_the_minorities(cleaned: pd.DataFrame) -> None:
    """The weight of a retraining raises the share of minorities that is approved."""
    from loan_approval.models import weighted

    train, test = split(cleaned)
    minorities = test[test["race"] != "white"]
    shares = [weighted(train, strength=0.1, weight=weight)[0].predict(minorities[FEATURES]).mean() for weight in (1, 8)]

    assert shares[0] + 0.03 < shares[1]
