"""Giskard's scan of a model on the test rows: arguments are folders with both tables. Prints what it flags.

It looks at test rows and predictions alone. The CPU seconds that fitting the model took are not the scan's.
"""

import json
import resource
import sys
from pathlib import Path

import giskard
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def cpu() -> float:
    """Return the CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


for folder in map(Path, sys.argv[1:]):
    told = json.loads((folder / "split.json").read_text())
    train, test = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "test"))
    target, aside = told["target"], [told["declared"].get(name) for name in ("group", "time")]
    features = [name for name in train if name != target and name not in aside]
    binary = told["task"] == "binary"
    start = cpu()
    texts = [name for name in features if train[name].dtype == object or test[name].dtype == object]
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), texts), remainder=SimpleImputer()
    )
    forest = RandomForestClassifier if binary else RandomForestRegressor
    typed = {name: str for name in texts}
    fitted = make_pipeline(encode, forest(n_estimators=20, max_depth=8, random_state=0))
    fitted.fit(train[features].astype(typed), train[target])
    spent = cpu() - start
    model = giskard.Model(
        model=lambda rows: (fitted.predict_proba if binary else fitted.predict)(rows[features].astype(typed)),
        model_type="classification" if binary else "regression",
        classification_labels=list(fitted.classes_) if binary else None,
        feature_names=features,
    )
    data = giskard.Dataset(test[[*features, target]], target=target, cat_columns=texts)
    found = giskard.scan(model, data, verbose=False)
    flags = sorted({str(issue.group.name) for issue in found.issues})
    print(json.dumps({"flags": flags, "aside": spent}), flush=True)
