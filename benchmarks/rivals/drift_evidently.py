"""Evidently's drift preset by the population stability index: arguments are the reference and the current table."""

import sys

import pandas as pd
from evidently import Dataset, Report
from evidently.presets import DataDriftPreset

reference, current = (Dataset.from_pandas(pd.read_parquet(path)) for path in sys.argv[1:])
result = Report([DataDriftPreset(num_method="psi", cat_method="psi")]).run(current, reference)
print(str(result.dict())[:500])
