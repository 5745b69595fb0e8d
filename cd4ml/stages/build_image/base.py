"""The base image: looked up, and asked which Python it has."""

from __future__ import annotations

from dataclasses import dataclass

from cd4ml.checks.image.build import base_check
from cd4ml.errors import OptionsError
from cd4ml.image.base import Base, resolve
from cd4ml.image.contents import Contents
from cd4ml.image.reference import parse
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate
from cd4ml.stages.build_image.report import Part

_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """The base, and what is in it."""

    resolved: Base
    contents: Contents

    @property
    def part(self) -> Part:
        """See Found."""
        base = self.resolved
        source = "registry" if base.unreachable is None else "local copy"
        details = {"reference": base.wanted, "digest": base.digest, "id": base.id, "source": source}
        return Part(checks=(base_check(base),), details={"base": details})


def find_base(inputs: Inputs, candidate: Candidate) -> BaseImage:
    """Look the base up; its Python must be the one that the model was saved with.

    Raises:
        OptionsError: it is another one, or too old for the gateway.
    """
    wanted = parse(inputs.options.base_image, "base-image")
    base = resolve(inputs.builder, wanted, inputs.context.progress)
    found = inputs.builder.contents(str(base.reference))
    python = candidate.python
    if found.python != python:
        raise OptionsError(
            f"base-image: {base.reference} has Python {found.python}, and the model was saved with {python}",
            advice=f"Set base-image to one with Python {python}, such as python:{python}-slim.",
        )
    if tuple(map(int, python.split("."))) < _OLDEST_PYTHON:
        raise OptionsError(f"base-image: Python {python}; the gateway needs 3.11 or later")
    return BaseImage(resolved=base, contents=found)
