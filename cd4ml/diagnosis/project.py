"""The project in the working directory: its stages, its registry and its models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cd4ml.diagnosis.looking import Result, Subject, fine, of_finding
from cd4ml.diagnosis.mistakes import Mistake, Seen, mistakes
from cd4ml.errors import UNAVAILABLE
from cd4ml.registry import MissingModelError, is_registered
from cd4ml.report import Status
from cd4ml.stages import PIPELINE

_REGISTRY = "registry"


def stages(subject: Subject) -> Iterator[Result]:
    """Say of each configured stage what is wrong, as `cd4ml run` would before it starts, and what its models are."""
    config = subject.config
    if config is None:
        return
    seen: Seen = {}
    found: list[Mistake] = []
    names = [name for name in PIPELINE if config.configures(name)]
    found.extend(mistakes(names, config, subject.context, here=True, seen=seen))
    yield from _registry(seen)
    for name in names:
        own = [mistake.finding for mistake in found if mistake.stage == name]
        yield from map(_of(name), own)
        if not own:
            yield fine(name, _sound(name, subject, seen))


def _of(name: str) -> Callable[..., Result]:
    """Return what makes a result of a stage's finding."""
    return lambda finding: of_finding(name, finding)


def _sound(name: str, subject: Subject, seen: Seen) -> str:
    """Say what was looked at of a stage with which nothing is wrong."""
    options = subject.options.get(name)
    models = [getattr(options, option, None) for option in ("candidate", "production", "model")]
    known = [str(model) for model in models if model and any(uri == model for uri, _ in seen)]
    fit = f"; {' and '.join(known)} can be scored here" if known else ""
    return f"options and files are as they must be{fit}"


def _registry(seen: Seen) -> Iterator[Result]:
    """Say whether the registry answers."""
    for address in dict.fromkeys(address for uri, address in seen if is_registered(uri)):
        answers = [found for (uri, other), found in seen.items() if other == address and is_registered(uri)]
        if any(isinstance(found, Path | MissingModelError) for found in answers):
            yield fine(_REGISTRY, f"{address or 'the one of MLFLOW_TRACKING_URI'} answers")
        elif all(found is None for found in answers):
            advice = "Check that it runs and that this machine can reach it."
            message = f"{address or 'the one of MLFLOW_TRACKING_URI'} did not answer in time"
            yield Result(topic=_REGISTRY, status=Status.FAILED, message=message, advice=advice, code=UNAVAILABLE)
