"""bdp-model-gate's checks of the validation: arguments are folders with both tables, `--all` runs its whole gate.

Prints what it flags, and the CPU seconds that fitting the model took, which are not the gate's.
"""

import json
import resource
import sys
from pathlib import Path

import pandas as pd
from bdp_model_gate import ModelGate, StructuredGateContext
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def cpu() -> float:
    """Return the CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


for folder in (Path(one) for one in sys.argv[1:] if one != "--all"):
    told = json.loads((folder / "split.json").read_text())
    train, test = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "test"))
    target, aside = told["target"], [told["declared"].get(name) for name in ("group", "time")]
    features = [name for name in train if name != target and name not in aside]
    start = cpu()
    texts = [name for name in features if train[name].dtype == object or test[name].dtype == object]
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), texts), remainder=SimpleImputer()
    )
    forest = RandomForestClassifier if told["task"] == "binary" else RandomForestRegressor
    typed = {name: str for name in texts}
    model = make_pipeline(encode, forest(n_estimators=20, max_depth=8, random_state=0))
    model.fit(train[features].astype(typed), train[target])
    rows = test[features].astype(typed)
    predicted = model.predict_proba(rows)[:, 1] if told["task"] == "binary" else model.predict(rows)
    fitted = cpu() - start
    context = StructuredGateContext(
        model=model,
        X=test[features],
        y_true=test[target],
        y_pred=predicted,
        X_train=train[features],
        model_card={"validation_strategy": "out_of_time" if "time" in told["declared"] else "random_split"},
    )
    gate = ModelGate()
    if "--all" not in sys.argv:
        gate.checks = [check for check in gate.checks if check.category == "validation"]
    report = gate.run(context)
    flags = sorted({one.check_name for one in report.results if not one.is_ok})
    print(json.dumps({"flags": flags, "aside": fitted}), flush=True)
