"""MLmodel, skops and ONNX: what is loaded is what was read, and it lies in the folder."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cd4ml.errors import OptionsError
from cd4ml.model_files import code_of, onnx_files, refuse_ways_out, skops_files
from cd4ml.model_files.onnx_files import within
from cd4ml.registry import fetch
from cd4ml.serving.model import load
from tests import models
from tests.malicious import change
from tests.malicious.described import field, listed, node, plain

FEATURES = ["age", "income", "city"]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as MLflow saves it to skops, with an example and an artifact beside it."""
    frame = models.people()
    folder = tmp_path_factory.mktemp("skops") / "model"
    trusted = ["numpy.dtype"]
    arguments: dict[str, Any] = {"serialization_format": "skops", "skops_trusted_types": trusted}
    return models.save(models.classifier(frame), folder, frame[FEATURES], example=True, **arguments)


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def test_skops_is_accepted_and_predicts(model: Path) -> None:
    """A pipeline in skops' format, with an example, is loaded without a word."""
    assert code_of(model) == []
    assert len(load(model).predict(models.people(4)[FEATURES])[0]) == 4


def test_the_list_of_trusted_types_does_not_count(model: Path) -> None:
    """What MLmodel declares trusted changes nothing: neither more nor less is accepted."""
    change(model, "sklearn", skops_trusted_types=["os.system", "builtins.eval"])
    assert code_of(model) == []


def example(folder: Path, **settings: Any) -> None:
    """Change what MLmodel says on the saved example."""
    document = yaml.safe_load((folder / "MLmodel").read_text())
    document["saved_input_example_info"] |= settings
    (folder / "MLmodel").write_text(yaml.safe_dump(document))


def linked(folder: Path) -> None:
    """Put a link in the place of the weights."""
    shutil.move(folder / "model.skops", folder.parent / "model.skops")
    (folder / "model.skops").symlink_to(folder.parent / "model.skops")


def through_a_linked_folder(folder: Path) -> None:
    """Name the weights through a folder that is a link."""
    (folder.parent / "other").mkdir()
    (folder / "sub").symlink_to(folder.parent / "other")
    change(folder, "python_function", model_path="sub/model.skops")


@pytest.mark.parametrize(
    "redirect",
    [
        lambda folder: change(folder, "python_function", model_path="../out.pkl"),
        lambda folder: change(folder, "python_function", model_path=str(folder.parent / "out.pkl")),
        lambda folder: change(folder, "python_function", model_path="sub/../../out.pkl"),
        lambda folder: change(folder, "python_function", model_path="..\\out.pkl"),
        lambda folder: change(folder, "python_function", data="file:///tmp/out.pkl"),
        lambda folder: change(folder, "python_function", code="../own"),
        lambda folder: change(folder, "python_function", python_model="/tmp/python_model.pkl"),
        lambda folder: change(folder, "python_function", artifacts={"weights": {"path": "../w.bin", "uri": "w.bin"}}),
        lambda folder: change(folder, "python_function", artifacts={"uri": {"path": "../w.bin"}}),
        lambda folder: change(folder, "python_function", artifacts={"config": {"path": "/tmp/w.bin"}}),
        lambda folder: change(folder, "python_function", env={"virtualenv": "../python_env.yaml"}),
        lambda folder: change(folder, "sklearn", pickled_model="../out.pkl"),
        lambda folder: change(folder, "statsmodels", data="/tmp/results.pkl"),
        lambda folder: example(folder, artifact_path="../example.json"),
        lambda folder: example(folder, serving_input_path="/etc/passwd"),
        through_a_linked_folder,
        linked,
    ],
)
def test_no_path_leaves_the_folder(model: Path, redirect: Callable[[Path], None]) -> None:
    """A path in MLmodel that leads out of the folder, or a link, is refused by everything that fetches a model."""
    redirect(model)

    with pytest.raises(OptionsError):
        fetch(str(model), model.parent / "fetched", tracking_uri=None, environ={})


def test_where_a_file_came_from_is_no_path(model: Path) -> None:
    """The address of an artifact at saving, and settings of the model's own code, say nothing on what is loaded."""
    weights = {"path": "artifacts/w.bin", "uri": "/home/me/w.bin"}
    change(model, "python_function", artifacts={"weights": weights}, config={"cache": "/var/cache"})
    refuse_ways_out(model)


@pytest.mark.parametrize("name", ["a", "a/b", "a/./b", "..a", "a..", "a b"])
def test_paths_within(tmp_path: Path, name: str) -> None:
    """Ordinary relative names stay in the folder."""
    assert within(tmp_path, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "flavors: 3",
        "flavors: {",
        "flavors: {sklearn: {}}",
        "a: &a [*a]",
        "[" * 5000,
        "!!python/name:os.system",
    ],
)
def test_an_mlmodel_that_says_nothing_is_refused(model: Path, text: str) -> None:
    """What MLflow could not load either is refused with the file's name."""
    (model / "MLmodel").write_text(text)
    with pytest.raises(OptionsError, match="MLmodel"):
        code_of(model)


@pytest.mark.parametrize(
    ("flavor", "settings", "words"),
    [
        ("python_function", {"predict_fn": "__class__"}, "predict_fn"),
        ("python_function", {"loader_module": "mlflow.sklearn.utils"}, "mlflow.sklearn.utils"),
        ("python_function", {"loader_module": ["mlflow.sklearn"]}, "may run any code"),
        ("python_function", {"loader_module": "mlflow.xgboost", "data": "model.skops"}, "no flavor xgboost"),
        ("python_function", {"data": "MLmodel"}, "MLmodel cannot be read as a skops file"),
        ("sklearn", {"serialization_format": "pickle"}, "cannot be read as a pickle"),
        ("sklearn", {"serialization_format": "joblib"}, "serialization_format"),
        ("sklearn", {"code": "."}, "code_paths"),
        ("xgboost", {"data": "model.skops", "model_class": "os._exit"}, "os._exit"),
        ("xgboost", {"data": "model.skops", "model_class": ["os._exit"]}, "model_class"),
        ("lightgbm", {"data": "model.skops", "model_class": {"a": "b"}}, "cannot be read as a pickle"),
        ("catboost", {"data": "model.skops", "save_format": "python"}, "save_format"),
        ("onnx", {"data": "model.onnx"}, "not a file beside it"),
        ("onnx", {"data": "MLmodel"}, "not named as an ONNX file"),
        ("keras", {"data": "data"}, "keras"),
    ],
)
def test_every_setting_that_leads_to_code_is_a_finding(
    model: Path, flavor: str, settings: dict[str, Any], words: str
) -> None:
    """Another loader, another format, another class or another flavor than those that load without code is named."""
    change(model, flavor, **settings)
    assert any(words in finding for finding in code_of(model))


def skops(path: Path, schema: dict[str, Any], **more: str) -> Path:
    """Write a skops file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({"protocol": 2, **schema}))
        for name, content in more.items():
            archive.writestr(name, content)
    return path


TYPE = {"__loader__": "TypeNode", "__module__": "numpy", "__class__": "ndarray"}
LOG = {"__loader__": "FunctionNode", "__module__": "numpy", "__class__": "log1p"}


def partial(function: dict[str, Any]) -> dict[str, Any]:
    """Return the node of a partial function."""
    content = {"func": function, "args": listed(kind="tuple"), "kwds": plain({}), "namespace": plain(None)}
    return node("PartialNode", "functools", "partial", content)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (node("ObjectNode", "subprocess", "Popen"), "subprocess.Popen"),
        (node("MethodNode", "sklearn.dummy", "DummyClassifier", {"func": "fit", "obj": plain(1)}), "MethodNode"),
        (listed(partial(TYPE)), "PartialNode"),
        (listed(partial({**LOG, "__module__": "os", "__class__": "system"})), "os.system"),
        (node("FunctionNode", "numpy", "log1p", {"module_path": "os", "function": "system"}), "FunctionNode"),
        (TYPE, "TypeNode"),
        (node("ListNode", "sys", "exit", []), "sys.exit"),
        (node("DictNode", "builtins", "dict", {}, key_types=listed(LOG | {"__loader__": "TypeNode"})), "makes keys"),
        (node("LossNode", "subprocess", "Popen", {}), "LossNode"),
        ({"__loader__": "ObjectNode", "__module__": ["os"], "__class__": "system"}, "without a type"),
        (listed({**plain(1), "__id__": 7}, {**plain(2), "__id__": 7}), "two nodes of the same number"),
        ({**plain(1), "protocol": 0}, "unknown skops protocol"),
        (node("RandomGeneratorNode", "numpy.random", "Generator", {"bit_generator": plain("x")}), "RandomGenerator"),
    ],
)
def test_skops_tricks_are_findings(tmp_path: Path, schema: dict[str, Any], words: str) -> None:
    """A node that makes or calls what is not on the list is a finding, whatever version of skops would read it."""
    assert any(words in finding for finding in skops_files.findings(skops(tmp_path / "m.skops", schema)))


def test_skops_partial_functions_of_the_list_are_accepted(tmp_path: Path) -> None:
    """What computes, with some of its arguments given, is accepted."""
    assert skops_files.findings(skops(tmp_path / "m.skops", listed(partial(LOG), plain("x")))) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_skops_file_that_can_be_read_in_two_ways_is_a_finding(tmp_path: Path) -> None:
    """Two schemas in one file, none, or no zip at all: nobody knows which is loaded."""
    path = skops(tmp_path / "m.skops", plain(1))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("schema.json", "{}")
    assert "two files of the same name" in skops_files.findings(path)[0]
    path.write_bytes(b"\x80\x04N.")
    assert "cannot be read" in skops_files.findings(path)[0]


def graph(*tensors: bytes, domain: bytes = b"ai.onnx.ml", operator: bytes = b"TreeEnsembleClassifier") -> bytes:
    """Return an ONNX model with tensors and one operator."""
    step = field(1, field(4, operator) + field(7, domain))
    return field(8, field(1, domain)) + field(7, step + b"".join(field(5, tensor) for tensor in tensors))


def stored(place: bytes) -> bytes:
    """Return a tensor that lies in another file."""
    return field(13, field(1, b"location") + field(2, place))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (graph(), None),
        (graph(stored(b"model.onnx.data")), None),
        (graph(stored(b"../weights")), "outside its folder"),
        (graph(stored(b"/etc/passwd")), "outside its folder"),
        (graph(stored(b"")), "outside its folder"),
        (graph(domain=b"own"), "library"),
        (graph(domain=b"com.microsoft", operator=b"EPContext"), "EPContext"),
        (field(25, field(7, field(4, b"Add")) + field(10, b"own")) + graph(domain=b"own"), None),
        (field(7, field(1, field(5, field(6, field(5, stored(b"../x")))))), "outside its folder"),
        (b"", "cannot be read"),
        (b"\x80\x04cos\nsystem\n.", "cannot be read"),
    ],
)
def test_onnx(tmp_path: Path, content: bytes, words: str | None) -> None:
    """A graph of the runtime's operators with weights in its folder is accepted, and what leads out of it is named."""
    (tmp_path / "model.onnx").write_bytes(content)
    found = onnx_files.findings(tmp_path / "model.onnx")
    assert found == [] if words is None else any(words in finding for finding in found)
