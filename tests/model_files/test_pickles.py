"""Pickles: the models of ordinary teams are accepted without a word, and tricks of the format are findings."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from cd4ml.model_files import pickles
from tests import models
from tests.malicious import Call, name, opcodes, text

FEATURES = ["age", "income", "city"]


def _classifiers() -> dict[str, Callable[[], Any]]:
    """Return makers of pipelines as teams build them, by name."""
    from sklearn import compose, ensemble, linear_model, model_selection, neighbors, pipeline, preprocessing, svm
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import SimpleImputer
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier

    numbers = pipeline.make_pipeline(SimpleImputer(), preprocessing.StandardScaler())
    columns = compose.make_column_transformer(
        (numbers, ["age", "income"]), (preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city"])
    )
    seed = np.random.RandomState(3)

    def after(*steps: Any) -> Callable[[], Any]:
        return lambda: pipeline.make_pipeline(columns, *steps)

    return {
        "logistic": after(linear_model.LogisticRegression()),
        "forest": after(ensemble.RandomForestClassifier(5, random_state=seed)),
        "boosting": after(ensemble.GradientBoostingClassifier(n_estimators=3)),
        "histograms": lambda: pipeline.make_pipeline(
            compose.make_column_transformer(
                (preprocessing.OrdinalEncoder(), ["city"]),
                (preprocessing.FunctionTransformer(np.log1p), compose.make_column_selector(dtype_include="number")),
            ),
            ensemble.HistGradientBoostingClassifier(max_iter=3),
        ),
        "search": lambda: model_selection.GridSearchCV(
            after(linear_model.LogisticRegression())(), {"logisticregression__C": [0.1, 1]}, scoring="roc_auc", cv=2
        ),
        "vote": after(
            ensemble.VotingClassifier([("a", GaussianNB()), ("b", linear_model.LogisticRegression())], voting="soft")
        ),
        "stack": after(ensemble.StackingClassifier([("a", GaussianNB()), ("b", svm.SVC())], cv=2)),
        "neighbours": after(neighbors.KNeighborsClassifier(3, algorithm="kd_tree")),
        "calibrated": after(CalibratedClassifierCV(linear_model.SGDClassifier(), method="isotonic", cv=2)),
        "network": after(MLPClassifier((3,), max_iter=5, early_stopping=False)),
        "splines": after(SelectKBest(k=3), preprocessing.SplineTransformer(3), linear_model.RidgeClassifier()),
        "ada": after(ensemble.AdaBoostClassifier(n_estimators=2)),
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", sorted(_classifiers()))
def test_ordinary_models_are_accepted(kind: str, tmp_path: Path) -> None:
    """A fitted pipeline is accepted in every protocol, as pickle and as cloudpickle write it."""
    frame = models.people(80)
    model = _classifiers()[kind]().fit(frame[FEATURES].fillna(3.0), frame["approve"])
    path = tmp_path / "model.pkl"
    for protocol in range(6):
        path.write_bytes(pickle.dumps(model, protocol=protocol))
        assert pickles.findings(path) == []
    path.write_bytes(cloudpickle.dumps(model))
    assert pickles.findings(path) == []


def test_texts_and_sparse_matrices_are_accepted(tmp_path: Path) -> None:
    """Words, their counts and what was fitted to sparse matrices consist of names of the list."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import LabelEncoder

    words = TfidfVectorizer(token_pattern=r"\w+").fit(["a b", "b c"])
    near = NearestNeighbors(n_neighbors=1).fit(sparse.csr_matrix(np.eye(3)))
    labels = LabelEncoder().fit(["yes", "no"])
    types = [pd.CategoricalDtype([1, 2]), np.dtype([("a", "<f4"), ("b", "<i8")]), np.datetime64("2024-05-31")]
    path = tmp_path / "model.pkl"
    for protocol in range(6):
        path.write_bytes(pickle.dumps([words, near, labels, types, {1, 2}, np.zeros(2, types[1])], protocol=protocol))
        assert pickles.findings(path) == []


CLASS = name("sklearn.dummy", "DummyClassifier")
BOOSTER = name("lightgbm.basic", "Booster")
ORDERED = name("collections", "OrderedDict")
ARRAY = name("numpy", "ndarray")
DTYPE = name("numpy", "dtype")


def _dtype(short: str, flags: int, fields: bytes = b"NN") -> bytes:
    """Return the opcodes of a type of numpy's with its flags."""
    state = b"(K\x03" + text("|") + b"N" + fields + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK" + bytes([flags]) + b"tb"
    return DTYPE + text(short) + b"\x89\x88\x87R" + state


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"PK\x03\x04 a zip", "cannot be read"),
        (pickle.dumps(list(range(100)))[:-5], "cannot be read"),
        (opcodes(b"h\x05"), "the memo has no 5"),
        (opcodes(b"(K\x01R"), "cannot be read"),
        (pickle.dumps(1) + b"\n", "goes on after its end"),
        (pickle.dumps(1) + pickle.dumps(Call(print, 1)), "goes on after its end"),
        (b"cos system\nx\n.", "names os system x."),
        (b"c\xd0\xbes\nsystem\n.", "cannot be read"),
        (opcodes(name("s\u043alearn.dummy", "DummyClassifier")), "names s\\u043alearn.dummy"),
        (opcodes(name("sklearn.dummy", "DummyClassifier.__init__.__globals__")), "__globals__"),
        (opcodes(name("sklearn.utils._testing", "assert_run_python_script_without_output")), "sklearn.utils._testing"),
        (opcodes(name("sklearn.externals.joblib", "load")), "sklearn.externals.joblib.load"),
        (opcodes(b"C\x02os" + text("system") + b"\x93"), "computes a name"),
        (opcodes(b"\x82\x01"), "extensions"),
        (b"Psomewhere\n.", "outside"),
        (opcodes(text("x") + b"Q"), "outside"),
        (b"\x80\x05\x97.", "buffer outside"),
        (opcodes(CLASS, b")R", b")R"), "calls what a call returned"),
        (opcodes(CLASS, b"}", text("a"), text("b"), b"sb"), "sets attributes of sklearn.dummy.DummyClassifier"),
        (opcodes(b"]", CLASS, b")\x81", b"a", b"}b"), "sets attributes of something"),
        (opcodes(CLASS, text("a"), text("b"), b"s"), "adds items to something other than a dict"),
        (opcodes(CLASS, b")\x81", b"}", text("__setstate__"), text("x"), b"sb"), "a state that no model has"),
        (opcodes(CLASS, b")\x81", ORDERED, b")R", text("__setstate__"), text("x"), b"sb"), "a state that no model has"),
        (opcodes(CLASS, b")\x81", b"}", text("func"), CLASS, b"sb"), "only loading may use"),
        (opcodes(BOOSTER, b"NN", text("/elsewhere.txt"), b"\x87\x81"), "with arguments that no model has"),
        (opcodes(BOOSTER, b"NN", text("/elsewhere.txt"), b"\x87R"), "with arguments that no model has"),
        (opcodes(BOOSTER, b")}\x92"), "with arguments that no model has"),
        (opcodes(b"(", BOOSTER, b"K\x00o"), "with arguments that no model has"),
        (opcodes(CLASS, b"N}", text("func"), ARRAY, b"s\x86b"), "only loading may use"),
        (opcodes(ARRAY, b"K\x08\x85", name("numpy", "dtype"), b"\x86R"), "calls numpy.ndarray"),
        (opcodes(name("functools", "partial"), ARRAY, b"\x85R"), "no model has"),
        (opcodes(name("functools", "partial"), CLASS, b")R\x85R"), "no model has"),
        (opcodes(name("_codecs", "encode"), text("6f73"), text("hex"), b"\x86R"), "no model has"),
        (opcodes(name("copyreg", "_reconstructor"), name("builtins", "object"), CLASS, b"N\x87R"), "no model has"),
        (opcodes(DTYPE, text("O,i4"), b"\x89\x88\x87R"), "no model has"),
        (opcodes(_dtype("O8", 0)), "a state that no model has"),
        (opcodes(_dtype("V8", 63)), "a state that no model has"),
        (
            opcodes(_dtype("V8", 16, text("a") + b"\x85}" + text("a") + _dtype("O8", 63) + b"K\x00\x86s")),
            "a state that no model has",
        ),
    ],
)
def test_tricks_are_findings(content: bytes, words: str, tmp_path: Path) -> None:
    """What no pickle of a model holds is a finding that names it, however the bytes hide it."""
    path = tmp_path / "model.pkl"
    path.write_bytes(content)

    assert any(words in finding for finding in pickles.findings(path))


def test_fields_of_a_type_do_not_change_later(tmp_path: Path) -> None:
    """A type whose fields become addresses after it was checked is a finding."""
    fields = b"\x94" + text("a") + _dtype("<f8", 0) + b"K\x00\x86s"
    later = b"0h\x00" + text("a") + _dtype("O8", 63) + b"K\x00\x86s"
    path = tmp_path / "model.pkl"
    path.write_bytes(opcodes(_dtype("V8", 16, text("a") + b"\x85}" + fields), later))

    assert pickles.findings(path) != []


def test_a_class_of_the_teams_own_is_named(tmp_path: Path) -> None:
    """A transformer of the team's own package is a finding with its name, and so is a function by value."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps([models.people(3), Path("x")]))
    assert {finding.split(",")[0] for finding in pickles.findings(path)} >= {"names pathlib.PosixPath"}
    number = 3
    path.write_bytes(cloudpickle.dumps(lambda x: x + number))
    assert any("cloudpickle" in finding for finding in pickles.findings(path))
