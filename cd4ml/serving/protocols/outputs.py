"""Outputs of the Open Inference Protocol: which are asked for, and how predictions are written as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.serving.exchange import Answers
from cd4ml.serving.protocols import classes, tensors
from cd4ml.serving.protocols.tensors import misfit
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import Runtime

Y_PRED: Final = "y_pred"
Y_SCORE: Final = "y_score"
PROBABILITIES: Final = "probabilities"
# What MLServer's scikit-learn runtime calls them: a client that asks for these names is answered with these names.
_ALSO: Final[Mapping[str, str]] = {"predict": Y_PRED, "predict_proba": PROBABILITIES}


@dataclass(frozen=True, slots=True)
class Output:
    """An output of an answer.

    Attributes:
        name: what the answer calls it; `what`: which it is.
        binary: whether its values go behind the document, as bytes.
        wanted: whether it was asked for by name; else it is left out where the model gives none.
    """

    name: str
    what: str
    binary: bool
    wanted: bool = True


class Outputs:
    """What a model can be asked for.

    Attributes:
        names: of the outputs that it has; `y_score` is there where the model says so only with its answer.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._classes = classes.offered(runtime)
        self._scored = runtime.positive_label is not None
        scores = [Y_SCORE] if self._scored or not runtime.classes else []
        self.names = [Y_PRED, *scores, *([PROBABILITIES] if self._classes else ())]
        # That of the classes, else of numbers.
        self._datatype = _datatype_of(runtime.classes) if runtime.classes else "FP64"

    def described(self) -> list[dict[str, Any]]:
        """Return the outputs as the model's metadata has them."""
        kinds = {Y_PRED: self._datatype, Y_SCORE: "FP64", PROBABILITIES: "FP64"}
        wide = {PROBABILITIES: [-1, len(self._classes)]}
        names = [name for name in self.names if name != Y_SCORE or self._scored]
        return [{"name": name, "datatype": kinds[name], "shape": wide.get(name, [-1])} for name in names]

    def asked(self, document: Mapping[str, Any]) -> Sequence[Output]:
        """Return the outputs that a request asks for; without a list of them, the prediction and its score.

        Raises:
            Refused: the model has no such output.
        """
        binary = tensors.parameters_of(document, "").get("binary_data_output") is True
        given = document.get("outputs")
        if given is None or given == []:
            names = (name for name in self.names if name != PROBABILITIES)
            return [Output(name, name, binary, wanted=name == Y_PRED) for name in names]
        if not isinstance(given, list) or len(given) > len(_ALSO) + len(self.names):
            raise misfit("outputs", f"must be a list of some of: {', '.join(self.names)}")
        return [self._one(one, f"outputs[{index}]", binary) for index, one in enumerate(given)]

    def written(self, asked: Sequence[Output], answers: Answers, behind: list[bytes]) -> list[dict[str, Any]]:
        """Return the outputs as the answer has them; those asked for in bytes are added to what is behind it.

        Raises:
            Refused: the model gave no such output.
        """
        if answers.y_score is None:
            if any(output.what == Y_SCORE and output.wanted for output in asked):
                raise unknown("outputs", "the model gives no score")
            asked = [output for output in asked if output.what != Y_SCORE]
        return [self._written(output, answers, behind) for output in asked]

    def _written(self, output: Output, answers: Answers, behind: list[bytes]) -> dict[str, Any]:
        """Return one output."""
        values, shape, datatype = self._tensor(output.what, answers)
        about = {"name": output.name, "shape": shape, "datatype": datatype}
        return filled(about, values, behind if output.binary else None)

    def _one(self, given: Any, path: str, binary: bool) -> Output:
        """Return an output that is asked for."""
        name = given.get("name") if isinstance(given, dict) else None
        what = _ALSO.get(name, name) if isinstance(name, str) else None
        if name is None or what is None or what not in self.names:
            raise unknown(path, f"must be an object whose name is one of: {', '.join(self.names)}")
        return Output(name, what, in_bytes(given, path, binary))

    def _tensor(self, what: str, answers: Answers) -> tuple[Sequence[Any], list[int], str]:
        """Return the values of an output, their shape and their datatype."""
        if what == PROBABILITIES:
            rows = answers.probabilities or []
            return [value for row in rows for value in row], [len(rows), len(self._classes)], "FP64"
        if what == Y_SCORE:
            scores = answers.y_score or []
            return scores, [len(scores)], "FP64"
        values, datatype = predicted(answers.y_pred, self._datatype)
        return values, [len(values)], datatype


def in_bytes(given: Mapping[str, Any], path: str, default: bool) -> bool:
    """Return whether an output is asked for in bytes; `default`: what the request says of all."""
    own = tensors.parameters_of(given, path).get("binary_data")
    return default if own is None else own is True


def filled(about: Mapping[str, Any], values: Sequence[Any], behind: list[bytes] | None) -> dict[str, Any]:
    """Return a tensor of an answer with its values.

    Args:
        about: its name, shape and datatype.
        behind: what is behind the document, where the values go as bytes; None if they go into the document.
    """
    if behind is None:
        return {**about, "data": values}
    behind.append(tensors.to_bytes(values, about["datatype"]))
    return {**about, "parameters": {"binary_data_size": len(behind[-1])}}


def unknown(path: str, problem: str) -> Refused:
    """Return the refusal of an output."""
    found = Problem(path=path, problem=problem)
    return Refused(422, "unknown-output", "The model has no such output.", [found])


def predicted(values: Sequence[Any], declared: str) -> tuple[Sequence[Any], str]:
    """Return predictions and their datatype: the one that is declared, if they are of it."""
    if declared == "FP64" and {type(value) for value in values} <= {int, float}:
        return values, declared
    found = _datatype_of(values)
    return ([str(value) for value in values] if found == "BYTES" else values), found


def _datatype_of(values: Sequence[Any]) -> str:
    """Return the datatype that holds all of these values."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return "INT64"
    return "FP64" if kinds and kinds <= {int, float} else "BYTES"
