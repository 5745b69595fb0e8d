"""Deepchecks' suite for training and test rows: arguments are folders with both tables. Prints a line for each: what it
flags."""

import json
import sys
from pathlib import Path

import pandas as pd
from deepchecks.core.errors import DatasetValidationError
from deepchecks.tabular import Dataset
from deepchecks.tabular.suites import train_test_validation

for folder in map(Path, sys.argv[1:]):
    told = json.loads((folder / "split.json").read_text())
    index, time = told["declared"].get("group"), told["declared"].get("time")
    tables = []
    for name in ("train", "test"):
        frame = pd.read_parquet(folder / f"{name}.parquet")
        tables.append(
            Dataset(
                frame,
                label=told["target"],
                label_type=told["task"],
                index_name=index,
                datetime_name=time,
                cat_features=[one for one in frame if frame[one].dtype == object and one not in (index, time)],
            )
        )
    try:
        result = train_test_validation().run(*tables)
        flags = [one.check.name() for one in result.get_not_passed_checks()]
    except DatasetValidationError:
        flags = ["refuses the tables"]
    print(json.dumps({"flags": sorted(flags)}), flush=True)
