"""Write cd4ml/model_files/scikit_learn.py: the classes and functions that fitted estimators consist of.

Run it in an environment with the version of scikit-learn to add (`python bin/model_classes.py`); names of earlier runs
stay, so the list holds the union over versions. Read the difference before you commit it: a name in the list may be
created, filled and called with whatever a file says.
"""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "cd4ml" / "model_files" / "scikit_learn.py"
# Modules whose classes are parts of estimators, and how their names begin or end.
LOSSES = ("sklearn._loss._loss", "sklearn._loss.link", "sklearn._loss.loss", "sklearn.linear_model._sgd_fast")
PARTS = {
    "sklearn.calibration": ["_CalibratedClassifier", "_SigmoidCalibration"],
    "sklearn.cluster._birch": ["_CFNode", "_CFSubcluster"],
    "sklearn.cluster._bisect_k_means": ["_BisectingTree"],
    "sklearn.compose._column_transformer": ["_RemainderColsList", "make_column_selector"],
    "sklearn.ensemble._gb_losses": [
        *("BinomialDeviance", "ExponentialLoss", "HuberLossFunction", "LeastAbsoluteError", "LeastSquaresError"),
        *("MultinomialDeviance", "QuantileLossFunction"),
    ],
    "sklearn.ensemble._hist_gradient_boosting.binning": ["_BinMapper"],
    "sklearn.ensemble._hist_gradient_boosting.predictor": ["TreePredictor"],
    "sklearn.gaussian_process._gpc": ["_BinaryGaussianProcessClassifierLaplace"],
    "sklearn.metrics._scorer": [
        *("_CurveScorer", "_PassthroughScorer", "_PredictScorer", "_ProbaScorer", "_Scorer", "_ThresholdScorer"),
        "_MultimetricScorer",
    ],
    "sklearn.multiclass": ["_ConstantPredictor"],
    "sklearn.neighbors._ball_tree": ["BallTree", "BallTree32", "BallTree64"],
    "sklearn.neighbors._kd_tree": ["KDTree", "KDTree32", "KDTree64"],
    "sklearn.neural_network._stochastic_optimizers": ["AdamOptimizer", "SGDOptimizer"],
    "sklearn.tree._tree": ["Tree"],
    "sklearn.utils._bunch": ["Bunch"],
    "sklearn.utils._metadata_requests": ["MetadataRequest", "MethodMetadataRequest"],
}
STEPS = {
    "sklearn.cluster._kmeans": ["_kmeans_single_elkan", "_kmeans_single_lloyd"],
    "sklearn.feature_selection._mutual_info": ["mutual_info_classif", "mutual_info_regression"],
    "sklearn.feature_selection._univariate_selection": ["chi2", "f_classif", "f_regression", "r_regression"],
}
REBUILDING = {
    "sklearn._loss._loss": "__pyx_unpickle_Cy",
    "sklearn.linear_model._sgd_fast": "__pyx_unpickle_",
    "sklearn.metrics._dist_metrics": "newObj",
    "sklearn.neighbors._ball_tree": "newObj",
    "sklearn.neighbors._kd_tree": "newObj",
}


def module(name: str) -> ModuleType | None:
    """Return a module, None if this version has none of that name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def classes() -> set[tuple[str, str]]:
    """Return estimators and the classes that they keep."""
    from sklearn.gaussian_process import kernels
    from sklearn.model_selection import _split
    from sklearn.utils import all_estimators

    found = {(cls.__module__, cls.__qualname__) for _, cls in all_estimators()}
    found |= {(name, part) for name, parts in PARTS.items() for part in parts if hasattr(module(name), part)}
    for name in LOSSES:
        found |= {(name, part) for part in vars(module(name)) if part[0].isupper() and _defined(module(name), part)}
    metrics = importlib.import_module("sklearn.metrics._dist_metrics")
    distances = {part for part in dir(metrics) if "Distance" in part and _defined(metrics, part)}
    # PyFuncDistance calls what it holds for every pair of rows: no estimator of an ordinary team needs it.
    found |= {(metrics.__name__, part) for part in distances if not part.startswith(("PyFunc", "__"))}
    for holder in (kernels, _split):
        found |= {(holder.__name__, part) for part in dir(holder) if part[0].isupper() and _defined(holder, part)}
    return found


def _defined(holder: Any, name: str) -> bool:
    """Whether a module defines a class of its own under the name."""
    value = getattr(holder, name)
    return isinstance(value, type) and value.__module__ in (holder.__name__, holder.__name__.rpartition(".")[2])


def functions() -> set[tuple[str, str]]:
    """Return what estimators keep to call: metrics of scorers, scores of features, steps of algorithms. All of them
    compute with arrays and do nothing else."""
    from sklearn.metrics import get_scorer, get_scorer_names

    scores = [get_scorer(name)._score_func for name in get_scorer_names()]
    found = {(score.__module__, score.__qualname__) for score in scores}
    return found | {(name, part) for name, parts in STEPS.items() for part in parts if hasattr(module(name), part)}


def rebuilding() -> set[tuple[str, str]]:
    """Return what pickles of compiled classes call to make an empty object."""
    return {(name, part) for name, start in REBUILDING.items() for part in dir(module(name)) if part.startswith(start)}


def _table(name: str, comment: str, pairs: set[tuple[str, str]]) -> str:
    """Return a table as Python."""
    lines = [f"# {comment}", f"{name}: Final[Mapping[str, str]] = {{"]
    for holder in sorted({holder for holder, _ in pairs}):
        words = sorted(part for where, part in pairs if where == holder)
        line = f'    "{holder}": "{" ".join(words)}",'
        if len(line) <= 120:
            lines.append(line)
            continue
        lines.append(f'    "{holder}": (')
        rows: list[list[str]] = [[]]
        for word in words:
            if len(" ".join([*rows[-1], word])) > 107:
                rows.append([])
            rows[-1].append(word)
        lines += [f'        "{" ".join(row)}{" " if row is not rows[-1] else ""}"' for row in rows] + ["    ),"]
    return "\n".join([*lines, "}"])


def main() -> None:
    """Write the union of this version's names and those in the file."""
    import sklearn

    old = runpy.run_path(str(TARGET)) if TARGET.is_file() else {}

    def together(name: str, new: set[tuple[str, str]]) -> set[tuple[str, str]]:
        return new | {(where, part) for where, parts in old.get(name, {}).items() for part in parts.split()}

    versions = sorted({*old.get("VERSIONS", ()), ".".join(sklearn.__version__.split(".")[:2])})
    text = [
        '"""What fitted estimators of scikit-learn consist of, by module. Written by bin/model_classes.py."""',
        "from __future__ import annotations",
        "from collections.abc import Mapping\nfrom typing import Final",
        f"VERSIONS: Final = ({', '.join(map(repr, versions))},)".replace("'", '"'),
        _table("CLASSES", "Estimators and their parts.", together("CLASSES", classes())),
        _table("FUNCTIONS", "Kept by estimators, and called on arrays.", together("FUNCTIONS", functions())),
        _table("REBUILDING", "Called by pickles to make an empty object.", together("REBUILDING", rebuilding())),
    ]
    TARGET.write_text("\n\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
