"""A model converted to ONNX in its own environment, and ONNX models asked as the gateway asks them.

Both run in child processes without secrets, as scoring does. Neither is believed: what was converted counts for nothing
until its answers are compared with the model's own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.scoring import isolated, returned
from cd4ml.scoring.environment import lock_requirements, model_environment, python_version, requirements
from cd4ml.scoring.scorer import Limits, ScoringError, write_rows

if TYPE_CHECKING:
    import pandas as pd

# Names of the files in a folder that the gateway's fast road loads.
MODEL: Final = "model.onnx"
SIGNATURE: Final = "signature.json"
# What the gateway's fast road needs in an environment, beside its server.
RUNTIME: Final = ("onnxruntime>=1.20,<2", "numpy>=1.26,<3")
# Converters write truths where graphs hold whole numbers, which protobuf 7 refuses.
_CONVERTERS: Final = ("skl2onnx>=1.17,<2", "onnx>=1.16,<2", "protobuf<7", "pandas", "pyarrow")
_BOOSTERS: Final = ("xgboost", "lightgbm")
_BOOSTER_CONVERTERS: Final = ("onnxmltools>=1.13,<2",)
_LARGEST: Final = 64 << 20
_SHOWN: Final = 400


class NotConverted(Exception):
    """There is no ONNX model; why, in words."""


class NotTried(Exception):
    """Whether there is one, or what it answers, is not known: a process of ours did not come to its end."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What is known of the model without loading it.

    Attributes:
        sha256: digest of its folder.
        columns: that it takes, as signature.json has them.
        file: the ONNX file of a model that is one.
    """

    sha256: str
    columns: Sequence[Mapping[str, Any]]
    file: Path | None = None
    positive_label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way in which a model could be converted: `model.onnx` and `signature.json` in a folder."""

    name: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an ONNX model says of a table: JSON values, or why there are none."""

    y_pred: Sequence[Any] = ()
    y_score: Sequence[Any] | None = None
    probabilities: Sequence[Sequence[Any]] | None = None
    refused: str | None = None


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What came of converting a model.

    Attributes:
        ways: in which it could be converted, the best first.
        predictions: of each table by the model itself, or why there are none.
    """

    ways: Sequence[Way]
    predictions: Sequence[pd.DataFrame | ScoringError]


def convert(
    model: Path,
    destination: Path,
    tables: Sequence[pd.DataFrame],
    *,
    given: Signature,
    allow_code: bool,
    limits: Limits,
    context: Context,
) -> Conversion:
    """Convert a model, and score tables with it as it is: the first must be scored, the others may be refused.

    Args:
        destination: an empty folder; each way becomes a folder in it.

    Raises:
        NotConverted: there is no way.
        NotTried: the process did not come to its end.
        UnavailableError: an environment cannot be made.
    """
    interpreter = _converters(model, context)
    with tempfile.TemporaryDirectory(prefix="cd4ml-convert-", ignore_cleanup_errors=True) as name:
        room = isolated.furnish(Path(name), interpreter, [model.resolve()])
        made = [room.own / f"predictions-{position}.parquet" for position in range(len(tables))]
        pairs = []
        for position, (table, path) in enumerate(zip(tables, made, strict=True)):
            pairs += [Path(name) / "rows" / f"{position}.parquet", path]
            write_rows(table, pairs[-2])
        arguments = (model.resolve(), given.positive_label or "", "allow-code" if allow_code else "", room.own)
        command = isolated.program(interpreter, "cd4ml.scoring.conversion.program", *arguments, *pairs)
        context.progress("Converting the model to ONNX in its own environment")
        ended, _ = isolated.run(command, room, limits, limits.seconds, context.environ)
        if ended is not None:
            raise NotTried(str(ended)[:_SHOWN])
        said = _read(room.own / "answer.json")
        try:
            if "refused" in said:
                raise NotConverted(str(said["refused"])[:_SHOWN])
            ways = [_way(room.own, destination, way, said, given) for way in said["ways"]]
            failed = "; ".join(map(str, said["failed"]))
        except (KeyError, TypeError, AttributeError, OSError) as error:
            raise NotTried(f"the converter's answer cannot be read: {type(error).__name__}") from error
        if not ways:
            raise NotConverted((failed or "it has columns of types that ONNX models do not take here")[:_SHOWN])
        return Conversion(ways=ways, predictions=returned.each(made, [len(table) for table in tables], None))


def ask(
    ways: Sequence[Way],
    tables: Sequence[Mapping[str, Any]],
    *,
    lock: str,
    python: str,
    limits: Limits,
    context: Context,
) -> list[list[Answer] | str | NotTried]:
    """Return what each ONNX model says of each table, or why it cannot be used or is not known.

    Args:
        tables: columns of JSON values, each `{"columns": {name: values}, "rows": n}`.
        lock: requirements of the image that will serve them.
        python: minor version of its Python.

    Raises:
        UnavailableError: the environment cannot be made.
    """
    interpreter = model_environment(lock, python_version=python, context=context)
    with tempfile.TemporaryDirectory(prefix="cd4ml-ask-", ignore_cleanup_errors=True) as name:
        room = isolated.furnish(Path(name), interpreter, [way.folder.resolve() for way in ways])
        given = Path(name) / "rows" / "tables.json"
        given.write_text(json.dumps(list(tables), allow_nan=False), encoding="utf-8")
        made = [room.own / f"{position}.json" for position in range(len(ways))]
        pairs = [path for way, path in zip(ways, made, strict=True) for path in (way.folder.resolve(), path)]
        command = isolated.program(interpreter, "cd4ml.scoring.conversion.ask", given, *pairs)
        ended, _ = isolated.run(command, room, limits, limits.seconds * len(ways), context.environ)
        return [_answers(path, len(tables), ended) for path in made]


def _converters(model: Path, context: Context) -> Path:
    """Return the Python of the model's environment with converters beside it."""
    version = python_version(model)
    boosted = any(line.lower().startswith(_BOOSTERS) for line in requirements(model))
    extra = (*_CONVERTERS, *(_BOOSTER_CONVERTERS if boosted else ()))
    try:
        lock = lock_requirements(model, extra=extra, python_version=version, context=context)
    except OptionsError as error:
        raise NotConverted(f"no converter fits the model's requirements: {str(error)[:_SHOWN]}") from error
    return model_environment(lock, python_version=version, context=context)


def _way(own: Path, destination: Path, way: Mapping[str, Any], said: Mapping[str, Any], given: Signature) -> Way:
    """Copy one way out of the child's folder, with the signature that says what it takes."""
    number, outputs = int(way["number"]), dict(way["outputs"])
    source = own / f"{number}.onnx" if given.file is None or way.get("made") else given.file
    if source.is_symlink() or not source.is_file():
        raise NotTried("the converter left no file")
    folder = destination / str(number)
    folder.mkdir(parents=True)
    shutil.copyfile(source, folder / MODEL)
    signature = {
        "model_sha256": given.sha256,
        "classes": said["classes"],
        "positive_label": said["positive_label"],
    }
    if "tensors" in way:
        signature |= {"tensors": way["tensors"], "output": outputs["output"]}
    else:
        columns = [dict(column) for column in given.columns]
        named = {name: outputs.get(name) for name in ("label", "score", "probabilities")}
        signature |= {"columns": columns, "inputs": way["inputs"], **named}
    (folder / SIGNATURE).write_text(json.dumps(signature, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return Way(name=str(way["name"]), folder=folder)


def _answers(path: Path, tables: int, ended: ScoringError | None) -> list[Answer] | str | NotTried:
    """Return what an ONNX model said of each table, or why it cannot be used or is not known."""
    if ended is not None and not path.is_file():
        return NotTried(str(ended)[:_SHOWN])
    try:
        said = _read(path)
        if isinstance(said, dict):
            return str(said["unusable"])
        found = [Answer(**one) for one in said]
    except (NotTried, KeyError, TypeError) as error:
        return NotTried(f"its answers cannot be read: {error}")
    return found if len(found) == tables else NotTried("it did not answer every table")


def _read(path: Path) -> Any:
    """Return what a child wrote, which may be anything."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        raise NotTried("the process left no answer")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotTried("the process left an answer that is not JSON") from error
