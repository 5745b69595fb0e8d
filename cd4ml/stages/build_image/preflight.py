"""What is wrong with build-image before anything is fetched or built."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cd4ml.errors import OptionsError
from cd4ml.image import capacity, dockerfile, licenses, reference, scan
from cd4ml.image.ignores import Ignore, read_ignores
from cd4ml.image.licenses import Forbidden
from cd4ml.image.reference import Reference
from cd4ml.image.statements import Vex
from cd4ml.image.vex import read_vex
from cd4ml.inputs.runtime import Runtime
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.models import looked_at, model_findings
from cd4ml.stages.preflight import Early, Finding, tried

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the options say, read.

    Attributes:
        forbidden: licences that no package may have.
        vex: which vulnerabilities do not affect.
        memory: bytes that a pod may have.
    """

    image: Reference
    severities: Sequence[str]
    ignores: Sequence[Ignore]
    forbidden: Sequence[Forbidden]
    vex: Vex | None
    memory: int


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    there = options.ignore_file is None or early.here or Path(options.ignore_file).exists()
    yield from tried(lambda: check_options(options, here=early.here, ignores=there), lambda: options.reading)
    if there:
        yield from expired(options)
    if early.here:
        from cd4ml.data.predictions.opening import refuse_absent  # a plan opens no table, and builds nothing
        from cd4ml.image.engine import detect

        environ = early.context.environ
        if options.test_data and options.simulate:
            yield from tried(partial(early.table, options.test_data))
        if options.predictions and options.simulate and early.columns_made(options.predictions) is None:
            yield from tried(partial(refuse_absent, options.predictions))
        yield from tried(
            lambda: scan.find_trivy(options.trivy, environ),
            lambda: detect(options.engine, environ, system_packages=bool(options.system_packages)),
        )
    yield from model_findings(options.model, looked_at([options.model], options.tracking_uri, early), early)


def check_options(options: Options, *, here: bool = True, ignores: bool = True) -> Checked:
    """Return what the options say.

    Args:
        here: whether they are all that there will be.
        ignores: whether the ignore file is read.

    Raises:
        OptionsError: all that is wrong with them, at once.
        UnavailableError: the ignore file is not there.
    """
    problems, advice = _problems(options, here=here), dict[str, None]()
    image = _read(lambda: reference.parse(options.image, "image"), problems, advice)
    _read(lambda: dockerfile.checked(options.base_image, options.system_packages), problems, advice)
    severities = _read(lambda: scan.severities(options.severity), problems, advice)
    forbidden = _read(lambda: licenses.forbidden(options.forbidden_licenses), problems, advice)
    memory = _read(lambda: capacity.bytes_of(options.pod_memory, "pod-memory"), problems, advice)
    if image is not None and image.digest:
        problems.append("image: give a name to push to, without a digest")
    vex = _vex(options, image, problems, advice, here=here) if image is not None else None
    accepted = read_ignores(Path(options.ignore_file)) if options.ignore_file and ignores else ()
    if problems or image is None or severities is None or forbidden is None or memory is None:
        raise OptionsError(problems, advice=" ".join(advice))
    return Checked(image=image, severities=severities, ignores=accepted, forbidden=forbidden, vex=vex, memory=memory)


def expired(options: Options) -> Iterator[Finding]:
    """Yield the entries of the ignore file whose day is over; whether they are still needed only the scan can say."""
    today = datetime.datetime.now(datetime.UTC).date()
    entries: list[Ignore] = []
    if options.ignore_file:
        list(tried(lambda: entries.extend(read_ignores(Path(str(options.ignore_file))))))
    for entry in entries:
        if entry.expires < today:
            yield Finding(
                message=f"{options.ignore_file}: the entry {entry.id} expired on {entry.expires} and accepts nothing",
                advice="Remove it, update the package, or renew it with a new reason.",
            )


def _problems(options: Options, *, here: bool) -> list[str]:
    """Return which options contradict each other, or are out of range."""
    problems = []
    if here and options.simulate and not (options.test_data and options.predictions):
        problems.append(
            "test-data and predictions are required: the image must predict what was scored (or set simulate: false)"
        )
    if here and options.runtime is Runtime.ONNX and not options.test_data:
        problems.append("runtime: onnx needs test-data: the converted model is proven equal on its rows")
    if here and options.feature_ranges and not options.test_data:
        problems.append("feature-ranges needs test-data: the ranges are those of its rows")
    if options.private_features and not options.feature_ranges:
        problems.append("private-features means nothing without feature-ranges: true")
    if options.startup_seconds <= 0 or options.maximum_database_age < 0:
        problems.append("startup-seconds must be positive, maximum-database-age not negative")
    if not 1 <= options.latency_rate <= 1000:
        problems.append("latency-rate must be between 1 and 1,000 requests a second")
    if options.maximum_p99_ms is not None and (options.maximum_p99_ms <= 0 or not options.simulate):
        problems.append("maximum-p99-ms must be positive, and needs simulate: true, whose rows are sent")
    problems += _scan_problems(options)
    return problems


def _vex(options: Options, image: Reference, problems: list[str], advice: dict[str, None], *, here: bool) -> Vex | None:
    """Return the VEX document, if there is one that must be there by now."""
    path = options.vex
    if path is None or not (here or Path(path).exists()):
        return None
    return _read(lambda: read_vex(path, image.name), problems, advice)


def _scan_problems(options: Options) -> Iterator[str]:
    """Yield what is wrong with the options of the scan."""
    unknown = [name for name in options.scanners if name not in scan.SCANNERS]
    if unknown or scan.VULNERABILITIES not in options.scanners:
        yield f"scanners: expected vuln, with or without secret and license; got {', '.join(options.scanners)}"
    elif options.forbidden_licenses and scan.LICENSES not in options.scanners:
        yield "forbidden-licenses: no licence is looked for: add license to scanners"


def _read(reader: Callable[[], T], problems: list[str], advice: dict[str, None]) -> T | None:
    """Return what is read, or note why it cannot be and what to do."""
    try:
        return reader()
    except OptionsError as error:
        problems += error.problems
        advice |= {error.advice: None} if error.advice else {}
        return None
