"""What MLmodel says, files of skops, whose list of trusted types it holds, and ONNX."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

from tests.malicious import Call, case, change, payload, shell


@case
def _loader_module(folder: Path, marker: Path) -> None:
    """A loader of the model's own."""
    (folder / "own").mkdir()
    (folder / "own" / "own_loader.py").write_text(payload(marker) + "\n")
    change(folder, "python_function", loader_module="own_loader", code="own")


@case
def _code_paths(folder: Path, marker: Path) -> None:
    """`code_paths` with a module that takes the place of scikit-learn for a harmless pickle."""
    (folder / "code").mkdir()
    (folder / "code" / "sklearn.py").write_text(payload(marker) + "\n")
    change(folder, "python_function", code="code")


@case
def _model_from_code(folder: Path, marker: Path) -> None:
    """A model that is a script."""
    (folder / "own.py").write_text(payload(marker) + "\n")
    change(folder, "python_function", loader_module="mlflow.pyfunc.loaders.code_model", model_code_path="own.py")


@case
def _python_model(folder: Path, marker: Path) -> None:
    """An object of Python with code of its own."""
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Call(exec, payload(marker))))
    settings = {"python_model": "python_model.pkl", "cloudpickle_version": "3.1.3"}
    change(folder, "python_function", loader_module="mlflow.pyfunc.model", model_path=None, **settings)


@case
def _redirected(folder: Path, marker: Path) -> None:
    """The weights lie beside the folder, so the digest does not name them."""
    (folder.parent / "outside.pkl").write_bytes(pickle.dumps(Call(exec, payload(marker))))
    change(folder, "python_function", model_path="../outside.pkl")


@case
def _settings_in_a_folder_below(folder: Path, marker: Path) -> None:
    """The file lies in a folder with an MLmodel of its own, which is the one that the loader reads."""
    (folder / "below").mkdir()
    shutil.copyfile(folder / "MLmodel", folder / "below" / "MLmodel")
    (folder / "below" / "model.skops").write_bytes(pickle.dumps(Call(exec, payload(marker))))
    change(folder, "python_function", model_path=None, data="below/model.skops")


@case
def _class_of_xgboost(folder: Path, marker: Path) -> None:
    """MLflow's loader of XGBoost makes an instance of whatever class MLmodel names."""
    (folder / "own").mkdir()
    (folder / "own" / "own_class.py").write_text(
        f"class Own:\n    def load_model(self, _):\n        {payload(marker)}\n"
    )
    change(folder, "python_function", loader_module="mlflow.xgboost", data="model.pkl", model_path=None, code="own")
    change(folder, "xgboost", model_class="own_class.Own", data="model.pkl")


@case
def _lightgbm_in_a_pickle(folder: Path, marker: Path) -> None:
    """MLflow's loader of LightGBM unpickles a wrapper, whatever the file is called."""
    (folder / "model.lgb").write_bytes(pickle.dumps(Call(exec, payload(marker))))
    change(folder, "python_function", loader_module="mlflow.lightgbm", data="model.lgb", model_path=None)
    settings = {"model_class": "lightgbm.sklearn.LGBMClassifier", "serialization_format": "cloudpickle"}
    change(folder, "lightgbm", data="model.lgb", **settings)


@case
def _two_flavors(folder: Path, marker: Path) -> None:
    """A harmless model with a second flavor that unpickles."""
    (folder / "results.pkl").write_bytes(pickle.dumps(Call(exec, payload(marker))))
    change(folder, "python_function", loader_module="mlflow.statsmodels", data="results.pkl", model_path=None)
    change(folder, "statsmodels", data="results.pkl", statsmodels_version="0.14.5")


# Files of skops, whose list of trusted types comes from MLmodel.


def _skops(folder: Path, node: dict[str, Any], *trusted: str) -> None:
    """Put a tree of nodes in place of the model."""
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps({**node, "protocol": 2, "_skops_version": "0.16.0"}))
    change(folder, "python_function", model_path="model.skops")
    settings = {"serialization_format": "skops", "skops_trusted_types": list(trusted)}
    change(folder, "sklearn", pickled_model="model.skops", **settings)


def node(loader: str, module: str, cls: str, content: Any = None, **more: Any) -> dict[str, Any]:
    """Return a node as skops writes it."""
    return {"__loader__": loader, "__module__": module, "__class__": cls, "content": content, **more}


def plain(value: Any) -> dict[str, Any]:
    """Return the node of a text or number."""
    return node("JsonNode", "builtins", "str", json.dumps(value), is_json=True)


def listed(*values: dict[str, Any], kind: str = "list") -> dict[str, Any]:
    """Return the node of a list or tuple."""
    return node(f"{kind.title()}Node", "builtins", kind, list(values))


@case
def _skops_with_its_own_list(folder: Path, marker: Path) -> None:
    """A process is started by a class that the model declares trusted."""
    arguments = listed(listed(plain("/bin/sh"), plain("-c"), plain(shell(marker))), kind="tuple")
    _skops(folder, node("ConstructorFromReduceNode", "subprocess", "Popen", arguments), "subprocess.Popen")


@case
def _skops_with_an_operator(folder: Path, marker: Path) -> None:
    """`operator` applied at loading: `call(exec, text)` of a trusted function."""
    function = {"__loader__": "FunctionNode", "__module__": "builtins", "__class__": "exec"}
    attributes = listed(function, plain(payload(marker)), kind="tuple")
    made = {"__loader__": "OperatorFuncNode", "__module__": "operator", "__class__": "call", "attrs": attributes}
    _skops(folder, made, "operator.call", "builtins.exec")


# ONNX.


def field(number: int, content: bytes) -> bytes:
    """Return a field of bytes of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return a number of variable length."""
    written = b""
    while value > 0x7F:
        written += bytes([value & 0x7F | 0x80])
        value >>= 7
    return written + bytes([value])


def onnx(folder: Path, content: bytes, **settings: Any) -> None:
    """Put an ONNX file in place of the model."""
    (folder / "model.onnx").write_bytes(content)
    change(folder, "python_function", loader_module="mlflow.onnx", data="model.onnx", model_path=None)
    change(folder, "onnx", data="model.onnx", onnx_version="1.19.0", **settings)


@case
def _onnx_with_weights_outside(folder: Path, _: Path) -> None:
    """A tensor lies in a file above the folder."""
    place = field(13, field(1, b"location") + field(2, b"../../weights.bin"))
    onnx(folder, field(7, field(5, place)))


@case
def _onnx_with_an_operator_of_its_own(folder: Path, _: Path) -> None:
    """An operator of a domain that only a library of its own has."""
    onnx(
        folder, field(8, field(1, b"own.operators")) + field(7, field(1, field(4, b"Run") + field(7, b"own.operators")))
    )


@case
def _onnx_with_a_library(folder: Path, _: Path) -> None:
    """An execution provider whose option names a library to load."""
    provider = ["TensorrtExecutionProvider", {"trt_extra_plugin_lib_paths": "own.so"}]
    onnx(folder, field(8, field(1, b"ai.onnx")), providers=[provider, "CPUExecutionProvider"])
