"""What a run of build-image works with: options that were checked, and the programs of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.context import Context
from cd4ml.evidence.signer import Signer
from cd4ml.image import scan
from cd4ml.image.builders.builder import Builder
from cd4ml.image.engine import detect
from cd4ml.image.ignores import Ignore
from cd4ml.image.licenses import Forbidden
from cd4ml.image.reference import Reference
from cd4ml.image.statements import Vex
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.preflight import check_options

_SECONDS: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What every step may use, and none changes.

    Attributes:
        image: its name as the option says it; the model may give it a tag.
        severities: those that block.
        forbidden: licences that no package may have.
        vex: which vulnerabilities do not affect.
        memory: bytes that a pod may have.
        signer: who signs what is pushed, if anybody.
        scratch: a folder that goes with the run.
    """

    options: Options
    context: Context
    image: Reference
    severities: Sequence[str]
    ignores: Sequence[Ignore]
    forbidden: Sequence[Forbidden] = ()
    vex: Vex | None = None
    memory: int
    builder: Builder
    trivy: str
    scratch: Path
    signer: Signer | None = None


def resolve(options: Options, context: Context, scratch: Path) -> Inputs:
    """Check the options before anything is done, and find the programs.

    Raises:
        OptionsError: all that is wrong with the options, at once.
        UnavailableError: a file or a program is not there.
    """
    checked = check_options(options)
    # What is not pushed has no digest to sign, and a pull request of a fork has no key.
    if options.push and context.unsigned:
        raise context.unsigned
    return Inputs(
        options=options,
        context=context,
        image=checked.image,
        severities=checked.severities,
        ignores=checked.ignores,
        forbidden=checked.forbidden,
        vex=checked.vex,
        memory=checked.memory,
        builder=detect(options.engine, context.environ, system_packages=bool(options.system_packages)),
        trivy=_trivy(options, context),
        signer=context.signer if options.push else None,
        scratch=scratch,
    )


def _trivy(options: Options, context: Context) -> str:
    """Return Trivy's path; a database that it would not fetch must be there before anything is built."""
    program = scan.find_trivy(options.trivy, context.environ)
    if options.scan_offline:
        cache = Path(options.trivy_cache) if options.trivy_cache else None
        scan.database(program, cache=cache, environ=context.environ, seconds=_SECONDS)
    return program
