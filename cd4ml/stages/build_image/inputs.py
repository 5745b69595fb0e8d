"""What a run of build-image works with: options that were checked, and the programs of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.image import dockerfile, scan
from cd4ml.image.builders.builder import Builder
from cd4ml.image.engine import detect
from cd4ml.image.ignores import Ignore, read_ignores
from cd4ml.image.reference import Reference, parse
from cd4ml.stages.build_image.options import Options

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What every step may use, and none changes.

    Attributes:
        image: its name as the option says it; the model may give it a tag.
        severities: those that block.
        scratch: a folder that goes with the run.
    """

    options: Options
    context: Context
    image: Reference
    severities: Sequence[str]
    ignores: Sequence[Ignore]
    builder: Builder
    trivy: str
    scratch: Path


def resolve(options: Options, context: Context, scratch: Path) -> Inputs:
    """Check the options before anything is done, and find the programs.

    Raises:
        OptionsError: all that is wrong with the options, at once.
        UnavailableError: a file or a program is not there.
    """
    problems = _problems(options)
    image = _read(lambda: parse(options.image, "image"), problems)
    _read(lambda: dockerfile.render(options.base_image, options.system_packages), problems)
    severities = _read(lambda: scan.severities(options.severity), problems)
    if image is not None and image.digest:
        problems.append("image: give a name to push to, without a digest")
    ignores = read_ignores(Path(options.ignore_file)) if options.ignore_file else ()
    if problems or image is None or severities is None:
        raise OptionsError(problems)
    return Inputs(
        options=options,
        context=context,
        image=image,
        severities=severities,
        ignores=ignores,
        builder=detect(options.engine, context.environ),
        trivy=scan.find_trivy(options.trivy, context.environ),
        scratch=scratch,
    )


def _problems(options: Options) -> list[str]:
    """Return which options contradict each other, or are out of range."""
    problems = []
    if options.simulate and not (options.test_data and options.predictions):
        problems.append(
            "test-data and predictions are required: the image must predict what was scored (or set simulate: false)"
        )
    if options.startup_seconds <= 0 or options.maximum_database_age < 0:
        problems.append("startup-seconds must be positive, maximum-database-age not negative")
    return problems


def _read(reader: Callable[[], T], problems: list[str]) -> T | None:
    """Return what is read, or note why it cannot be."""
    try:
        return reader()
    except OptionsError as error:
        problems += error.problems
        return None
