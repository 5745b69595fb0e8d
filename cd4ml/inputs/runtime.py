"""What asks a model, in an image and for a table."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cd4ml.inputs.options import Group
from cd4ml.inputs.vocabulary import Word


class Runtime(StrEnum):
    """What asks a model."""

    AUTO = "auto"
    ONNX = "onnx"
    NATIVE = "native"


RUNTIME: Final = Word(
    meaning="What asks the model: its library (`native`) or ONNX Runtime (`onnx`).", group=Group.ADVANCED
)
