"""A real network: `magika` says of the first and last bytes of a file of which of 214 kinds it is; and a small one."""

from __future__ import annotations

import importlib.util
import json
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

# Of the package `magika`, which is not imported.
_PACKAGE = importlib.util.find_spec("magika")
assert _PACKAGE is not None
FILES: Final = Path(str(_PACKAGE.origin)).parent / "models" / "standard_v3_3"
INPUT: Final = "bytes"
OUTPUT: Final = "target_label"
LENGTH: Final = 2048
REQUIREMENTS: Final = ["mlflow==3.17.2", "pandas==3.1.1", "numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0"]
_PADDING: Final = 256


def kinds() -> list[str]:
    """Return the classes."""
    found: list[str] = json.loads((FILES / "config.min.json").read_text())["target_labels_space"]
    return found


def contents(rows: int, seed: int = 0) -> Any:
    """Return what is asked: the beginning and the end of files, programs in Python, pages of HTML and noise in turn."""
    rng = np.random.default_rng(seed)
    found = []
    for at in range(rows):
        python = b"import os\n\n\ndef main() -> int:\n    return os.getpid() + %d\n" % at
        page = b"<!doctype html><html><head><title>%d</title></head><body><p>text</p></body></html>" % at
        text = (python * 5, page * 4, rng.bytes(300))[at % 3]
        half = [*text[: LENGTH // 2], *[_PADDING] * (LENGTH // 2 - len(text))]
        found.append([*half, *half[len(text) :], *text])
    return np.array(found, dtype="int32")


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return rows as a table has them: a column of lists."""
    return pd.DataFrame({INPUT: list(contents(rows, seed))})


def save(folder: Path, *, classes: list[str] | None = None) -> Path:
    """Save the network by MLflow, which keeps its weights in a file of their own."""
    import mlflow.onnx
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    labels = kinds() if classes is None else classes
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("int32"), (-1, LENGTH), INPUT)]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 214), OUTPUT)]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.onnx.save_model(
            onnx.load(str(FILES / "model.onnx")),
            str(folder),
            signature=signature,
            metadata={"classes": labels},
            pip_requirements=REQUIREMENTS,
        )
    return folder


def save_sums(folder: Path, *, centred: bool) -> Path:
    """Save a network that adds up the three values of a row, with an output of shape [rows, 1].

    Args:
        centred: it takes the mean of all rows away first, as batch normalisation does that was left in training mode.
    """
    import mlflow.onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT
    axes = [helper.make_tensor(name, TensorProto.INT64, [1], [at]) for name, at in (("rows", 0), ("values", 1))]
    mean = [helper.make_node("ReduceMean", ["x", "rows"], ["mean"]), helper.make_node("Sub", ["x", "mean"], ["own"])]
    total = helper.make_node("ReduceSum", ["own" if centred else "x", "values"], ["out"])
    given = helper.make_tensor_value_info("x", kind, ["n", 3])
    made = helper.make_tensor_value_info("out", kind, ["n", 1])
    graph = helper.make_graph([*(mean if centred else ()), total], "sums", [given], [made], axes)
    inputs, outputs = (
        Schema([TensorSpec(np.dtype("float32"), shape, name)]) for shape, name in (((-1, 3), "x"), ((-1, 1), "out"))
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    signature = ModelSignature(inputs=inputs, outputs=outputs)
    mlflow.onnx.save_model(model, str(folder), signature=signature, pip_requirements=REQUIREMENTS)
    return folder


def converted(folder: Path, sha256: str) -> Path:
    """Write what build-image puts into the image for it."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes((FILES / "model.onnx").read_bytes())
    tensor = {"name": INPUT, "type": "int32", "shape": [-1, LENGTH]}
    about = {"model_sha256": sha256, "tensors": [tensor], "output": OUTPUT, "classes": kinds()}
    (folder / "signature.json").write_text(json.dumps(about))
    return folder
