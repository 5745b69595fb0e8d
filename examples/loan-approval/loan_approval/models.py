"""The models of the story: the scorecard in production, two challengers, and what a retraining makes."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pandas as pd
from fairlearn.metrics import demographic_parity_ratio
from fairlearn.reductions import DemographicParity, GridSearch
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from loan_approval.data import FEATURES, SCORECARD, TARGET

# The ratio of selection rates that training aims at. The audit's limit is 0.80; the rest is room for sampling error
# between training and test rows.
TARGET_RATIO = 0.85
# What a model needs to run, and nothing else: these become the scoring environment and the serving image.
RUNTIME = ["numpy", "pandas", "scikit-learn", "skops"]


def requirements() -> list[str]:
    """Return what a model needs to run, in the versions that it was trained with."""
    return [f"{package}=={version(package)}" for package in RUNTIME]


def _classifier(strength: float = 0.1) -> LogisticRegression:
    """Return the classifier that all models share."""
    return LogisticRegression(C=strength, max_iter=2000)


def _preparation() -> list[tuple[str, object]]:
    """Return the steps before the classifier."""
    return [("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]


def scorecard(train: pd.DataFrame) -> tuple[Pipeline, list[str]]:
    """Return the model that is in production: few features, easy to explain."""
    return _fitted(train, SCORECARD), SCORECARD


def plain(train: pd.DataFrame) -> tuple[Pipeline, list[str]]:
    """Return a challenger that uses everything an underwriter knows and approves at the usual cut-off of 0.5."""
    return _fitted(train, FEATURES), FEATURES


def _fitted(train: pd.DataFrame, features: list[str]) -> Pipeline:
    """Return the pipeline fitted to the features."""
    pipeline = Pipeline([*_preparation(), ("classify", _classifier())])
    return pipeline.fit(train[features], train[TARGET])


def mitigated(train: pd.DataFrame) -> tuple[Pipeline, list[str]]:
    """Return a challenger trained under demographic parity; it does not see race when it decides.

    GridSearch (Agarwal et al. 2018, "A Reductions Approach to Fair Classification") reweighs the training rows along a
    grid of multipliers. Of the models whose selection ratio on the training rows reaches the target, the most
    accurate one is taken.
    """
    preparation = Pipeline(_preparation())
    features = preparation.fit_transform(train[FEATURES])
    search = GridSearch(_classifier(), DemographicParity(difference_bound=0.02), grid_size=60)
    groups = train["race"].where(train["race"] == "white", "minority")
    search.fit(features, train[TARGET], sensitive_features=groups)
    accuracies = {}
    for position, candidate in enumerate(search.predictors_):
        decisions = candidate.predict(features)
        ratio = demographic_parity_ratio(train[TARGET], decisions, sensitive_features=train["race"])
        if ratio >= TARGET_RATIO:
            accuracies[position] = accuracy_score(train[TARGET], decisions)
    best = search.predictors_[max(accuracies, key=accuracies.__getitem__)]
    return Pipeline([*preparation.steps, ("classify", best)]), FEATURES


def weighted(train: pd.DataFrame, *, strength: float, weight: float) -> tuple[Pipeline, list[str]]:
    """Return the model of a retraining; it does not see race when it decides.

    Reweighing (Kamiran and Calders 2012, "Data preprocessing techniques for classification without discrimination"):
    approved applications of minorities count `weight` times. How much is a hyper-parameter, as the regularisation is.
    """
    counts = np.where((train["race"] != "white") & (train[TARGET] == 1), weight, 1.0)
    pipeline = Pipeline([*_preparation(), ("classify", _classifier(strength))])
    return pipeline.fit(train[FEATURES], train[TARGET], classify__sample_weight=counts), FEATURES


MODELS = {"scorecard": scorecard, "plain": plain, "mitigated": mitigated}
