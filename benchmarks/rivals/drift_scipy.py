"""A loop of scipy's two-sample tests over pandas columns: arguments are the reference and the current table."""

import sys

import pandas as pd
from scipy import stats

reference, current = (pd.read_parquet(path) for path in sys.argv[1:])
for name in reference:
    if reference[name].dtype.kind in "if":
        print(name, stats.ks_2samp(reference[name], current[name], method="asymp").statistic)
    else:
        counts = pd.concat([frame[name].value_counts() for frame in (reference, current)], axis=1).fillna(0)
        print(name, stats.chi2_contingency(counts.T.to_numpy()).pvalue)
