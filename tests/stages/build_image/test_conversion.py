"""The fast road is taken where the converted model is proven equal, and nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from cd4ml.checks.image.runtime import native_check
from cd4ml.commands.project import cache_directory
from cd4ml.context import Context
from cd4ml.digests import folder_sha256
from cd4ml.image.contents import Contents
from cd4ml.model_files.signature import Input
from cd4ml.report import ModelIdentity, Status
from cd4ml.scoring.conversion import program
from cd4ml.scoring.conversion.run import Answer, Conversion, NotTried, Way, _answers
from cd4ml.scoring.scorer import Limits, ScoringError
from cd4ml.serving.model import RowsError, load
from cd4ml.stages.build_image import conversion
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.conversion import Road, _compared, _Unproven, choose_road
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate, Code
from cd4ml.stages.build_image.options import Options
from cd4ml.inputs.runtime import Runtime
from cd4ml.stages.proof import Tables, dependence, derived, difference, other_batches
from tests import models, networks

Choose = Callable[..., Road]


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """Choose the road of a model for test rows."""

    def choose(model: Path, test: pd.DataFrame | None, *, runtime: Runtime = Runtime.AUTO) -> Road:
        if test is not None:
            test.to_parquet(tmp_path / "test.parquet")
        options = Options(
            model=str(model),
            image="x",
            runtime=runtime,
            test_data=str(tmp_path / "test.parquet") if test is not None else None,
        )
        (tmp_path / "scratch").mkdir()
        context = Context(directory=tmp_path, environ=os.environ, cache=cache_directory(os.environ))
        inputs = Inputs(
            options=options,
            context=context,
            image=cast("Any", None),
            severities=(),
            ignores=(),
            memory=cast("Any", None),
            builder=cast("Any", None),
            trivy="",
            scratch=tmp_path / "scratch",
        )
        candidate = Candidate(identity=ModelIdentity(uri=str(model), sha256=folder_sha256(model)), folder=model)
        code = Code(findings=("a pickle",), check=cast("Any", None))
        base = BaseImage(resolved=cast("Any", None), contents=Contents(python="3.11", installers=(), folders={}))
        return choose_road(inputs, candidate, code, base)

    return choose


def test_equal_conversion_takes_the_fast_road(choose: Choose, tmp_path: Path) -> None:
    """A pipeline of gaps, texts and numbers is proven on every row and served as ONNX, under the model's own digest."""
    frame = models.people(200)
    model = models.save(models.classifier(frame), tmp_path / "model", frame[["age", "income", "city"]])
    road = choose(model, models.people(80, seed=9))
    assert road.runtime is Runtime.ONNX and road.check.status is Status.PASSED, road.check.message
    assert road.proof["rows"] == 80 and "80 test rows" in road.check.message and "1e-06 absolute" in road.check.message
    # `income` and `city` missing, and an unseen `city`, which both refuse: three rows of each.
    assert road.proof["derived_rows"] == 9
    assert sorted(path.name for path in road.folder.iterdir()) == ["model.onnx", "signature.json"]
    assert road.sha256 == folder_sha256(road.folder)
    signature = json.loads((road.folder / "signature.json").read_text())
    assert signature["model_sha256"] == folder_sha256(model) and signature["positive_label"] == 1


def test_conversion_with_other_labels_is_refused(choose: Choose, tmp_path: Path) -> None:
    """A threshold between two numbers that single precision takes for one fails where ONNX is demanded."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    # Single precision counts from here on in steps of eight: what the model parts, the graph cannot.
    frame = pd.DataFrame({"account": 100_000_000 + np.arange(400) % 8})
    estimator = HistGradientBoostingClassifier(max_iter=10).fit(frame, frame["account"] % 8 > 3)
    model = models.save(estimator, tmp_path / "model", frame)
    road = choose(model, frame.head(80), runtime=Runtime.ONNX)
    assert road.check.status is Status.FAILED and road.check.reason == "not-equal"
    assert ": y_pred of " in road.check.message and "of the test rows" in road.check.message


def test_model_that_is_onnx_is_taken_as_it_is(choose: Choose, tmp_path: Path) -> None:
    """The file of an ONNX model goes into the image unchanged, once its answers are those that MLflow gives."""
    import mlflow.onnx
    from mlflow.models import infer_signature
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression

    frame = models.people(100).dropna()[["age", "income"]].astype("float32")
    graph = to_onnx(LinearRegression().fit(frame, frame["age"] + frame["income"]), frame.to_numpy())
    requirements = ["mlflow==3.17.2", "pandas==3.1.1", "numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0"]
    mlflow.onnx.save_model(
        graph,
        str(tmp_path / "model"),
        signature=infer_signature(frame, np.zeros(3, "float32")),
        pip_requirements=requirements,
    )
    road = choose(tmp_path / "model", frame)
    assert road.runtime is Runtime.ONNX and road.proof["conversion"] == "as it is", road.check.message
    assert (road.folder / "model.onnx").read_bytes() == (tmp_path / "model" / "model.onnx").read_bytes()


def test_network_is_taken_with_its_weights(choose: Choose, tmp_path: Path) -> None:
    """A network whose weights MLflow keeps in a file of their own goes into the image as one file, proven equal."""
    model = networks.save(tmp_path / "model")
    assert list(model.glob("*.data"))
    road = choose(model, networks.table(20))
    assert road.runtime is Runtime.ONNX, road.check.message
    assert road.proof["conversion"] == "as it is, its weights in the graph" and road.proof["rows"] == 20
    assert sorted(path.name for path in road.folder.iterdir()) == ["model.onnx", "signature.json"]
    signature = json.loads((road.folder / "signature.json").read_text())
    assert signature["tensors"][0]["shape"] == [-1, networks.LENGTH] and signature["classes"] == networks.kinds()


def test_network_that_looks_at_the_rows_beside_a_row_is_refused(choose: Choose, tmp_path: Path) -> None:
    """A mean over the rows changes a row's answer with its neighbours, in ONNX Runtime too: neither road serves it."""
    test = pd.DataFrame({"x": list(np.random.default_rng(0).normal(size=(20, 3)).astype("float32"))})
    check = choose(networks.save_sums(tmp_path / "model", centred=True), test).check
    assert (check.status, check.reason) == (Status.FAILED, "rows-not-independent")
    assert "y_pred of test row 0 is 0.0 in test row 0 by itself" in check.message


def test_rows_of_tensors_are_compared_in_other_batches(choose: Choose, tmp_path: Path) -> None:
    """Three rows by themselves and twenty in reverse have the answers that they have among all test rows."""
    test = pd.DataFrame({"x": list(np.random.default_rng(0).normal(size=(70, 3)).astype("float32"))})
    road = choose(networks.save_sums(tmp_path / "model", centred=False), test)
    assert road.runtime is Runtime.ONNX and road.proof["derived_rows"] == 23, road.check.message
    assert "70 test rows and 23 derived ones (the same in other batches)" in road.check.message


@pytest.mark.parametrize(
    ("reverse", "says"),
    [
        (pd.DataFrame({"y_pred": [1, 0], "y_score": [0.75, 0.25]}), None),
        (pd.DataFrame({"y_pred": [1, 0], "y_score": [0.7501, 0.2501]}), None),
        (pd.DataFrame({"y_pred": [0, 1], "y_score": [0.25, 0.75]}), "y_score of test row 1 is 0.25 in the first 2"),
        (pd.DataFrame({"y_pred": [1, 0], "y_score": [0.75, 0.251]}), "y_score of test row 0 is 0.251"),
        (ScoringError("no", refused=True), "it answers all test rows, and refuses the first 2"),
    ],
)
def test_answers_that_depend_on_the_rows_beside(reverse: Any, says: str | None) -> None:
    """A score or a refusal that a row has in one batch and not in another is found; sums in another order are not."""
    batches = other_batches(2, [Input(name="x", type="tensor")])
    tables = Tables(frames=(), names=("the test rows", *batches), json=(), batches=batches)
    found = dependence(tables, [ROWS, ROWS.iloc[[0]], ROWS.iloc[[1]], reverse])
    assert found is None if says is None else says in str(found)


def test_what_no_converter_knows_takes_the_native_road(choose: Choose, tmp_path: Path) -> None:
    """A transformer of the caller's own is served by its library, and the check says why."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    frame = models.people(100).dropna()[["age", "income"]]
    estimator = make_pipeline(FunctionTransformer(np.arctan), LogisticRegression()).fit(frame, frame["age"] > 40)
    model = models.save(estimator, tmp_path / "model", frame)
    road = choose(model, frame)
    assert road.runtime is Runtime.NATIVE and road.folder == model and road.sha256 == folder_sha256(model)
    assert road.check.status is Status.PASSED and road.check.reason == "not-convertible"
    assert "FunctionTransformer" in road.check.message


def test_without_test_rows_nothing_is_proven(choose: Choose, tmp_path: Path) -> None:
    """Without test data the model's own library serves it; nothing is converted."""
    frame = models.people(50)
    model = models.save(models.classifier(frame), tmp_path / "model", frame[["age", "income", "city"]])
    road = choose(model, None)
    assert road.runtime is Runtime.NATIVE and road.check.reason == "no-test-data"


TABLES = Tables(frames=(), names=("the test rows", "rows without `x`"), json=())
ROWS = pd.DataFrame({"y_pred": [0, 1], "y_score": [0.25, 0.75]})
SMALL = pd.DataFrame({"y_pred": [1e-7, 5e-7, 9e-7]})
CLASSES = pd.DataFrame({"y_pred": [200000.0, 200001.0], "y_score": [0.25, 0.75]})
REFUSAL = ScoringError("no", refused=True)
EQUAL = Answer(y_pred=[0, 1], y_score=[0.25, 0.75])


def test_same_answers_are_nodifference() -> None:
    """Equal labels, scores within the tolerance and the same refusals prove a conversion."""
    close = Answer(y_pred=[0, 1], y_score=[0.2500005, 0.75])
    assert difference(TABLES, [ROWS, REFUSAL], [close, Answer(refused="refused-by-model")]) is None


@pytest.mark.parametrize(
    ("native", "converted", "says"),
    [
        ([ROWS, REFUSAL], [EQUAL, EQUAL], "the model refuses rows without `x`, and its conversion answers"),
        ([ROWS, ROWS], [EQUAL, Answer(refused="no")], "its conversion refuses"),
        ([ROWS, ROWS], [EQUAL, Answer(y_pred=[0, 0], y_score=[0.25, 0.75])], "y_pred of 1 rows differs"),
        ([ROWS, ROWS], [Answer(y_pred=[0, 1], y_score=[0.25, 0.750011]), EQUAL], "y_score of 1 rows differs"),
        ([ROWS, ROWS], [Answer(y_pred=[0, 1]), EQUAL], "y_score is given by one of them alone"),
        ([ROWS, ROWS], [Answer(y_pred=[0], y_score=[0.25]), EQUAL], "y_pred has 1 values"),
        ([ScoringError("it broke"), ROWS], [EQUAL, EQUAL], "the model has no predictions for the test rows: it broke"),
        (
            [ScoringError("y_pred is missing for 1 of 500 rows", 7), ROWS],
            [Answer(refused="no"), EQUAL],
            "the model has no predictions for the test rows: y_pred is missing for 1 of 500 rows",
        ),
        ([REFUSAL, ROWS], [Answer(refused="no"), EQUAL], "the model has no predictions for the test rows"),
        ([SMALL, SMALL], [Answer(y_pred=[0.0, 0.0, 0.0]), EQUAL], "y_pred of 3 rows differs"),
        ([SMALL, ROWS], [Answer(y_pred=[1e-7, 5e-7, 9.0001e-7]), EQUAL], "y_pred of 1 rows differs"),
        ([CLASSES, ROWS], [Answer(y_pred=[200001.0, 200000.0], y_score=[0.25, 0.75]), EQUAL], "y_pred of 2 rows"),
        ([ROWS, ROWS], "it cannot be loaded", "it cannot be loaded"),
    ],
)
def test_differences_are_found(native: Any, converted: Any, says: str) -> None:
    """A label, a score, a refusal or an answer that only one of them gives is a difference."""
    assert says in str(difference(TABLES, native, converted))


@pytest.mark.parametrize("demanded", [False, True])
def test_what_was_not_tried_is_no_fault_of_the_model(demanded: bool, tmp_path: Path) -> None:
    """A process of ours that crashed leaves the question open, though another conversion differs, and says so."""
    ways = [Way(name=name, folder=tmp_path) for name in ("double", "float")]
    (tmp_path / "model.onnx").write_bytes(b"")
    found = Conversion(ways=ways, predictions=[ROWS, ROWS])
    said: list[Any] = [[Answer(y_pred=[0, 0], y_score=[0.25, 0.75]), EQUAL], NotTried("the process ended with code -9")]
    with pytest.raises(_Unproven) as unproven:
        _compared(TABLES, found, said, "lock")
    check = native_check(unproven.value.obstacle, demanded=demanded)
    assert "is not known" in check.message and "code -9" in check.message
    assert (check.status, check.reason) == ((Status.ERROR, "unavailable") if demanded else (Status.PASSED, "not-tried"))


def test_an_unreadable_answer_is_not_the_models(tmp_path: Path) -> None:
    """No answer, half of one and one of too few tables leave open what the model would have said."""
    path = tmp_path / "0.json"
    ended = ScoringError("the model's process ended with code -9")
    assert isinstance(_answers(path, 1, ended), NotTried)
    for text in ("[{", "[]", '[{"x": 1}]'):
        path.write_text(text)
        assert isinstance(_answers(path, 1, None), NotTried)
    path.write_text('{"unusable": "an operator is unknown"}')
    assert _answers(path, 1, None) == "an operator is unknown"


@pytest.mark.parametrize(("raised", "expected"), [(KeyError("city"), RowsError), (MemoryError(), MemoryError)])
def test_rows_that_the_model_refuses_are_the_models_fault(raised: Exception, expected: type[Exception]) -> None:
    """Whatever the model raises for the test rows is its refusal; that memory ran out is not."""

    class Raising:
        """A model that takes no rows."""

        def predict(self, rows: pd.DataFrame) -> Any:
            """Fail."""
            raise raised

    with pytest.raises(expected):
        program._scored(program._EveryClass(cast("Any", Raising())), pd.DataFrame({"x": [1]}))


@pytest.mark.parametrize("runtime", [Runtime.AUTO, Runtime.ONNX])
def test_a_conversion_that_takes_too_long_is_not_the_models_fault(
    choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    """A process that is ended by our time limit leaves the question open: an error where ONNX is demanded."""
    monkeypatch.setattr(conversion, "_LIMITS", Limits(seconds=0.05))
    frame = models.people(50)
    model = models.save(models.classifier(frame), tmp_path / "model", frame[["age", "income", "city"]])
    check = choose(model, frame, runtime=runtime).check
    expected = (Status.ERROR, "unavailable") if runtime is Runtime.ONNX else (Status.PASSED, "not-tried")
    assert (check.status, check.reason) == expected and "is not known" in check.message


def test_two_classes_are_both_compared(tmp_path: Path) -> None:
    """The model gives the probability of each of its two classes, and a conversion that has one wrong differs."""
    frame = models.people(60)
    folder = models.save(models.classifier(frame), tmp_path / "model", frame[["age", "income", "city"]])
    model = program._EveryClass(load(str(folder), allow_code=True))
    native = program._scored(model, frame[["age", "income", "city"]])
    assert list(native.columns) == ["y_pred", "y_score", "y_score_0", "y_score_1"]
    chances = native[["y_score_0", "y_score_1"]].to_numpy().tolist()
    served = {"y_pred": native["y_pred"].tolist(), "y_score": native["y_score"].tolist()}
    tables = Tables(frames=(), names=("the test rows",), json=())
    assert difference(tables, [native], [Answer(**served, probabilities=chances)]) is None
    chances[7][0] = 0.5
    assert "y_score_0 of 1 rows" in str(difference(tables, [native], [Answer(**served, probabilities=chances)]))


def test_too_few_rows_prove_nothing(choose: Choose, tmp_path: Path) -> None:
    """Nineteen equal rows are not enough, and nothing is converted for them."""
    frame = models.people(50)
    model = models.save(models.classifier(frame), tmp_path / "model", frame[["age", "income", "city"]])
    road = choose(model, models.people(19), runtime=Runtime.ONNX)
    assert road.check.status is Status.FAILED and road.check.reason == "too-few-rows" and "20" in road.check.message


def test_rows_are_derived_one_by_one() -> None:
    """Each derived row is a table of its own, so that a refused row leaves those beside it compared."""
    columns = [Input(name="x", type="double", required=True), Input(name="s", type="string", required=True)]
    found = derived(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "s": list("abcd")}), columns)
    assert len(found) == len({edge.name for edge in found}) == 9 and all(len(edge.frame) == 1 for edge in found)


def test_several_classes_are_compared_one_by_one() -> None:
    """The probability of each class counts where no one class is the positive one."""
    native = pd.DataFrame({"y_pred": ["a"], "y_score_a": [0.5], "y_score_b": [0.3], "y_score_c": [0.2]})
    tables = Tables(frames=(), names=("the test rows",), json=())
    for chances, differs in (([[0.5, 0.3, 0.2]], False), ([[0.5, 0.2, 0.3]], True), (None, True)):
        found = difference(tables, [native], [Answer(y_pred=["a"], probabilities=chances)])
        assert (found is not None) == differs
