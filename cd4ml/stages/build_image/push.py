"""The image is pushed, by the digest that its registry serves."""

from __future__ import annotations

from dataclasses import dataclass

from cd4ml.checks.image.build import not_pushed_check, pushed_check
from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Image
from cd4ml.image.push import push
from cd4ml.image.reference import Reference
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.report import Part


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """The image in its registry; `image` is its name by digest."""

    image: str
    digest: str

    @property
    def part(self) -> Part:
        """See Found."""
        return Part(
            checks=(pushed_check(self.image, self.digest),),
            details={"digest": self.digest},
            outputs={"image": self.image, "digest": self.digest},
        )


@dataclass(frozen=True, kw_only=True)
class NotPushed:
    """The image is not in its registry, or is another one there."""

    error: UnavailableError

    @property
    def part(self) -> Part:
        """See Found."""
        return Part(checks=(not_pushed_check(self.error),))


def push_image(inputs: Inputs, reference: Reference, image: Image) -> Pushed | NotPushed:
    """Push the image that was checked, and make sure that this is what the registry serves."""
    inputs.context.progress(f"Pushing {reference}")
    try:
        digest = push(inputs.builder, reference, image.id)
    except UnavailableError as error:
        return NotPushed(error=error)
    return Pushed(image=reference.by_digest(digest), digest=digest)
