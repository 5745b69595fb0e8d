"""Convert a model to ONNX. Runs in the model's environment with converters beside it, without the rest of cd4ml.

Arguments: the model's folder, the positive label ("" for the model's own), `allow-code` if it may run code of its own
("" if not), the folder for what is made, and then tables as `cd4ml.scoring.child` takes them: the first is scored by
the model as it is, the others are trials. Every way to convert the model that works becomes `<number>.onnx`, the best
first (double precision before single), and `answer.json` says what each takes and why others failed, or only why the
model itself cannot be loaded or refuses the first table. Any other end than with an answer is no fault of the model.
"""

from __future__ import annotations

import copy
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cd4ml.scoring.child import attempt, predict
from cd4ml.serving.model import Model, ModelError, RowsError, load
from cd4ml.serving.tensor_model import TensorModel

_NUMBERS = ("integer", "long", "float", "double", "boolean")
_LONGEST = 300


def main(folder: str, positive_label: str, allow_code: str, made: str, *tables: str) -> int:
    """Convert in every way and score."""
    import pandas as pd

    pairs = list(zip(tables[::2], tables[1::2], strict=True))
    try:
        loaded = load(folder, positive_label=positive_label or None, allow_code=bool(allow_code))
        model = _EveryClass(loaded)
        for rows, predictions in pairs[:1]:
            _scored(model, pd.read_parquet(rows)).to_parquet(predictions, index=False)
    except (ModelError, RowsError) as error:
        (Path(made) / "answer.json").write_text(json.dumps({"refused": f"{type(error).__name__}: {error}"}))
        return 0
    ways: list[dict[str, Any]] = []
    failed: list[str] = []
    if isinstance(loaded, TensorModel):
        if hasattr(loaded.raw, "get_inputs"):
            ways.append(_tensors(loaded, Path(folder), Path(made)))
        else:
            failed.append("it takes tensors and is not saved as ONNX")
    elif hasattr(loaded.raw, "get_inputs"):
        way = _as_it_is(loaded.raw, [column.name for column in loaded.columns])
        ways.append(way | _self_contained(Path(folder), Path(made)))
    elif not hasattr(loaded.raw, "get_params"):
        failed.append("it holds no estimator that a converter knows")
    else:
        ways, failed = _conversions(loaded, Path(made))
    classes = [_plain(label) for label in loaded.classes]
    answer = {"ways": ways, "failed": failed, "classes": classes, "positive_label": _plain(loaded.positive_label)}
    (Path(made) / "answer.json").write_text(json.dumps(answer, allow_nan=False))
    for rows, predictions in pairs[1:]:
        attempt(model, pd.read_parquet(rows), Path(predictions), ModelError)
    return 0


class _EveryClass:
    """A model that gives the probability of each class, also where there are two, or more than tables have columns."""

    def __init__(self, model: Model | TensorModel) -> None:
        self._model = model
        self.predict = model.predict

    def class_scores(self, frame: Any) -> Any:
        """See Model."""
        import pandas as pd

        prepared: Any = self._model.prepare(frame)
        found = self._model.probabilities(prepared)
        return None if found is None else pd.DataFrame(found).add_prefix("y_score_")


def _scored(model: _EveryClass, table: Any) -> Any:
    """Return what the model says of a table.

    Raises:
        RowsError: it refuses the table, by whatever exception.
    """
    try:
        return predict(model, table)
    except MemoryError:
        raise
    except Exception as error:
        raise RowsError({"": f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST]}"}) from error


def _conversions(loaded: Model, made: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Write what each way makes of an estimator; return what each takes and gives, and why others failed."""
    ways, failed = [], []
    for number, (name, inputs) in enumerate(_ways(loaded.columns)):
        try:
            graph = _converted(loaded.raw, inputs, number)
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:_LONGEST]}")
            continue
        (made / f"{number}.onnx").write_bytes(graph.SerializeToString())
        outputs = dict(zip(("label", "probabilities"), (output.name for output in graph.graph.output)))
        if not loaded.classes:
            outputs.pop("probabilities", None)
        ways.append({"number": number, "name": name, "inputs": inputs, "outputs": outputs})
    return ways, failed


def _as_it_is(session: Any, columns: list[str]) -> dict[str, Any]:
    """Return what an ONNX model takes and gives, as MLflow asks it: one matrix, or a list for each column."""
    entries = session.get_inputs()
    types = {entry.name: entry.type.removeprefix("tensor(").removesuffix(")") for entry in entries}
    if len(entries) == 1:
        inputs = [{"name": entries[0].name, "columns": columns, "type": types[entries[0].name]}]
    else:
        inputs = [{"name": name, "columns": [name], "type": kind, "flat": True} for name, kind in types.items()]
    names = [output.name for output in session.get_outputs()]
    label = names[0] if len(names) == 1 else next((name for name in ("y_pred", "prediction") if name in names), "")
    score = next((name for name in ("y_score", "probability") if name in names and name != label), None)
    return {"number": 0, "name": "as it is", "inputs": inputs, "outputs": {"label": label, "score": score}}


def _tensors(model: TensorModel, folder: Path, made: Path) -> dict[str, Any]:
    """Return what an ONNX model of tensors takes and gives."""
    (output,) = model.raw.get_outputs()
    tensors = [
        {"name": one.name, "type": one.type, "shape": list(one.shape), "longest": one.longest} for one in model.tensors
    ]
    way = {"number": 0, "name": "as it is", "tensors": tensors, "outputs": {"output": output.name}}
    return way | _self_contained(folder, made)


def _self_contained(folder: Path, made: Path) -> dict[str, Any]:
    """Write the graph with the weights that lie in other files, as MLflow saves large ones; the same numbers."""
    import onnx

    (file,) = folder.glob("*.onnx")
    graph = onnx.load(str(file), load_external_data=False)
    if not any(tensor.external_data for tensor in graph.graph.initializer):
        return {}
    onnx.load_external_data_for_model(graph, str(folder))
    (made / "0.onnx").write_bytes(graph.SerializeToString())
    return {"name": "as it is, its weights in the graph", "made": True}


def _plain(label: Any) -> Any:
    """Return a label as JSON has it."""
    return label.item() if hasattr(label, "item") else label


def _ways(columns: Any) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield what the graph's inputs can be: one matrix where all columns are numbers, and a column each."""
    odd = [column.name for column in columns if column.type not in (*_NUMBERS, "string")]
    if odd or not columns:
        return
    numeric = all(column.type in _NUMBERS for column in columns)
    names = [column.name for column in columns]
    for precision in ("double", "float"):
        if numeric:
            yield f"{precision}, one matrix", [{"name": "rows", "columns": names, "type": precision}]
        yield f"{precision}, a column each", [
            {"name": name, "columns": [name], "type": "string" if column.type == "string" else precision}
            for name, column in zip(names, columns, strict=True)
        ]


def _converted(estimator: Any, inputs: list[dict[str, Any]], number: int) -> Any:
    """Return the graph."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common import data_types

    types = {
        "double": data_types.DoubleTensorType,
        "float": data_types.FloatTensorType,
        "string": data_types.StringTensorType,
    }
    _register()
    plain = copy.deepcopy(estimator)
    for part in _parts(plain):
        _prepare(part)
    options = {id(plain): {"zipmap": False}} if hasattr(plain, "predict_proba") else None
    initial = [(entry["name"], types[entry["type"]]([None, len(entry["columns"])])) for entry in inputs]
    opset = {"": 18, "ai.onnx.ml": 3}
    return convert_sklearn(plain, name=f"model-{number}", initial_types=initial, options=options, target_opset=opset)


def _parts(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and the fitted ones within it."""
    waiting, seen = [estimator], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        for value in vars(part).values() if hasattr(part, "__dict__") else ():
            waiting += [one for one in _flat(value) if hasattr(one, "get_params")]


def _flat(value: Any) -> Iterator[Any]:
    """Yield a value, or what lists and tuples in it hold."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, dict):
        yield from value.values()
    else:
        yield value


def _prepare(part: Any) -> None:
    """Write what the converters cannot read in a form that they can; it says the same."""
    if type(part).__name__.startswith("XGB"):
        # The converter knows features by number only.
        booster = part.get_booster()
        booster.feature_names = None
    for stage in getattr(part, "_predictors", None) or ():
        for tree in stage:
            # ONNX takes no unsigned numbers as attributes of a tree.
            fields = [(name, "i8" if kind.kind == "u" else kind) for name, kind in _fields(tree)]
            tree.nodes = tree.nodes.astype(fields)


def _fields(tree: Any) -> list[tuple[str, Any]]:
    """Return the fields of a tree's nodes."""
    dtype = tree.nodes.dtype
    return [(name, dtype.fields[name][0]) for name in dtype.names]


def _register() -> None:
    """Tell skl2onnx of the converters for XGBoost and LightGBM, where these are installed."""
    classes = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    shapes = "skl2onnx.common.shape_calculator"
    for package, converter, name in (
        ("xgboost", "xgboost.operator_converters.XGBoost", "convert_xgboost"),
        ("lightgbm", "lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
    ):
        try:
            library = importlib.import_module(package)
        except ImportError:
            continue
        convert: Callable[..., Any] = getattr(importlib.import_module(f"onnxmltools.convert.{converter}"), name)
        short = "XGB" if package == "xgboost" else "LGBM"
        for kind in ("classifier", "regressor"):
            shape = getattr(importlib.import_module(shapes), f"calculate_linear_{kind}_output_shapes")
            options = classes if kind == "classifier" else {"split": None}
            estimator = getattr(library, f"{short}{kind.capitalize()}")
            importlib.import_module("skl2onnx").update_registered_converter(
                estimator, f"{short}{kind}", shape, convert, options=options, overwrite=True
            )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
